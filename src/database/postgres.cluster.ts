import { execFile } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseSetupError } from './database.errors.js';
import { type Account, type Command, command, startApart } from './postgres.command.js';

/** The superuser of the cluster. */
export const SUPERUSER = 'tenantry_root';
const run = promisify(execFile);

/** Makes the cluster unless there is one of the binaries' major version. */
export async function initialiseCluster(
  dataDir: string,
  bin: string,
  account: Account | undefined,
  password: string,
  progress: (text: string) => void,
): Promise<void> {
  const cluster = join(dataDir, 'postgres');
  const major = await majorVersion(join(bin, 'postgres'));
  const existing = (await fs.readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined))?.trim();
  if (existing !== undefined && existing !== major) {
    throw new DatabaseSetupError(
      `The data in ${cluster} belongs to PostgreSQL ${existing}, this server is PostgreSQL ${major}. Nothing was changed.`,
      `Dump it with version ${existing} and restore it here, set DATABASE_URL to a server of version ${existing}, ` +
        'or set another DATA_DIR.',
    );
  }
  for (const entry of await fs.readdir(dataDir)) {
    // Retries, because an initdb that lost its owner a moment ago may still be writing there.
    if (entry.startsWith('postgres.init-')) await fs.rm(join(dataDir, entry), { recursive: true, maxRetries: 10 });
  }
  if (existing !== undefined) return;
  if (
    (await fs.readdir(cluster).catch((error: NodeJS.ErrnoException) => [error.code])).some(
      (entry) => entry !== 'ENOENT',
    )
  ) {
    throw new DatabaseSetupError(`${cluster} has no readable PG_VERSION.`, 'Check its owner, or set another DATA_DIR.');
  }
  progress('Creating the PostgreSQL cluster (first start only)');
  const work = join(dataDir, `postgres.init-${process.pid}`);
  const target = join(work, 'cluster');
  const passwordFile = join(work, 'password');
  await fs.mkdir(target, { recursive: true, mode: 0o700 });
  await fs.writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account) for (const path of [work, target, passwordFile]) await fs.chown(path, account.uid, account.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const auth = [`--username=${SUPERUSER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const initdb = command(bin, 'initdb', ['-D', target, ...auth, ...locale], account, target);
  try {
    await runApart(initdb);
  } catch (error) {
    await fs.rm(work, { recursive: true, force: true });
    const { message } = error as Error;
    throw new DatabaseSetupError(`initdb failed: ${message}`, `Check the space and permissions of ${dataDir}.`);
  }
  await fs.rename(target, cluster);
  await fs.rm(work, { recursive: true });
}

/**
 * A Ctrl-C in our terminal may still reach it, before it does anything, in the instant before it is in a group of its own:
 * then it is run once more.
 *
 * @throws Error with what the command said on stderr
 */
async function runApart(what: Command, again = true): Promise<void> {
  const child = await startApart(what, ['ignore', 'ignore', 'pipe']);
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal === 'SIGINT' && output === '' && again) return runApart(what, false);
  if (code !== 0) throw new Error(output.trim() || `it ended with ${code ?? signal}`);
}

async function majorVersion(binary: string): Promise<string | undefined> {
  try {
    return /\d+/.exec((await run(binary, ['--version'])).stdout)?.[0];
  } catch (error) {
    throw new DatabaseSetupError(
      `The PostgreSQL binary does not run here: ${String(error)}.`,
      'It needs a glibc-based system and a folder that permits execution; otherwise set DATABASE_URL.',
    );
  }
}
