import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepts, executable, freePort } from './programs.js';

/** The program: what PGBOUNCER says, else the first on PATH or where distributions put daemons. */
export function findPgBouncer(): string | undefined {
  const { PGBOUNCER, PATH = '' } = process.env;
  if (PGBOUNCER) return PGBOUNCER;
  return [...PATH.split(path.delimiter), '/usr/sbin'].map((folder) => path.join(folder, 'pgbouncer')).find(executable);
}

export interface PgBouncer {
  /** The same database by way of the pooler. */
  via(url: string): string;
  /** URL of its admin console. */
  consoleUrl: string;
  stop(): Promise<void>;
}

/**
 * A PgBouncer in transaction mode before a server: one server connection for each user and database. It knows its
 * clients' SCRAM verifiers from the server itself, and accepts no start-up parameter beyond its own few.
 *
 * @param serverUrl a superuser's URL
 * @param knowsRoles off: it knows nobody but that superuser
 */
export async function startPgBouncer(program: string, serverUrl: string, knowsRoles = true): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(serverUrl);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-pgbouncer-'));
  const port = await freePort();
  const users = path.join(folder, 'users.txt');
  const config = path.join(folder, 'pgbouncer.ini');
  const lookUp = ['auth_user = ' + username, 'auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1'];
  await writeFile(users, `"${username}" "${password}"\n`);
  await writeFile(
    config,
    `[databases]
* = host=${hostname} port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
${knowsRoles ? lookUp.join('\n') : ''}
admin_users = ${username}
pool_mode = transaction
default_pool_size = 1
max_client_conn = 200
`,
  );
  // It refuses to run as root, and reads its files as the user it becomes.
  await chmod(folder, 0o755);
  const child = spawn(program, [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), config], { stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    child.once('exit', end).once('error', (error) => {
      output += error.message;
      end();
    });
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  while (!(await accepts(port))) {
    if (ended) {
      await stop();
      throw new Error(`PgBouncer did not start:\n${output}`);
    }
    await sleep(20);
  }
  const via = (url: string): string => {
    const pooled = new URL(url);
    pooled.host = `127.0.0.1:${port}`;
    return pooled.toString();
  };
  const consoleUrl = new URL(via(serverUrl));
  consoleUrl.pathname = '/pgbouncer';
  return { via, consoleUrl: consoleUrl.toString(), stop };
}
