import { execFile } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The program: what PG_DUMP says, else the first on PATH, else the newest where Debian puts the clients of servers. */
export function findPgDump(): string | undefined {
  const { PG_DUMP, PATH = '' } = process.env;
  if (PG_DUMP) return PG_DUMP;
  const versions = globSync('/usr/lib/postgresql/*/bin').sort((one, other) => versionOf(other) - versionOf(one));
  return [...PATH.split(path.delimiter), ...versions].map((folder) => path.join(folder, 'pg_dump')).find(executable);
}

/** Dumps a whole database into a file of PostgreSQL's own format. */
export async function dump(pgDump: string, url: string, file: string): Promise<void> {
  await run(pgDump, ['--format=custom', `--file=${file}`, url]);
}

/** Writes a dump as SQL. */
export async function dumpToSql(pgDump: string, file: string, sql: string): Promise<void> {
  await run(restoreBeside(pgDump), [`--file=${sql}`, file]);
}

/** Restores a dump into a database, up to the first error. */
export async function restore(pgDump: string, file: string, url: string): Promise<void> {
  await run(restoreBeside(pgDump), ['--exit-on-error', `--dbname=${url}`, file]);
}

function restoreBeside(pgDump: string): string {
  return path.join(path.dirname(pgDump), 'pg_restore');
}

function versionOf(folder: string): number {
  return Number(path.basename(path.dirname(folder)));
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
