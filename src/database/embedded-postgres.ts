import { type ChildProcess, execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { processAlive, readOrCreateSecret, readSecret } from './data-dir.js';
import { DatabaseSetupError } from './database.errors.js';
import { initialiseCluster, SUPERUSER } from './postgres.cluster.js';
import { type Command, command, locateBinaries, serverAccount, startApart } from './postgres.command.js';
import { SteadyClient } from './steady.client.js';

const DATABASE = 'tenantry';
const SECRET = 'postgres.password';
const START_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 30_000;
/** Between two attempts to start a server that ended by itself, in ms: at first, and at most. */
const REVIVAL_MS = 250;
const LONGEST_REVIVAL_MS = 2000;
const LOG_LIMIT_BYTES = 10_000_000;
const run = promisify(execFile);

/** Options of {@link EmbeddedPostgres.start}. */
export interface EmbeddedPostgresOptions {
  /** Folder of the cluster, its log and its password; the caller holds its lock. */
  dataDir: string;
  /** Told about each step that takes noticeable time. */
  onProgress?: (text: string) => void;
  /** Called when the server has been started and is waited for, which leaves the thread free for some 0.4 s. */
  onWait?: () => void;
  /** Server settings by name; they override the defaults made here. */
  settings?: Record<string, string>;
  /** Starts it again, on the same port, when it ends by itself: killed for want of memory, or its disk was full. */
  keepUp?: boolean;
}

/** A PostgreSQL server of our own, on the loopback interface, with its data in a folder. */
export class EmbeddedPostgres {
  private stopping?: Promise<void>;
  private reviving?: Promise<void>;

  private constructor(
    /** Superuser URL of the database `tenantry`. */
    readonly url: string,
    /** TCP port on 127.0.0.1. */
    readonly port: number,
    private child: ChildProcess,
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
    await initialiseCluster(dataDir, binaries, account, password, progress);
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
      const begin = (): Promise<ChildProcess> => launch(command(binaries, 'postgres', args, account, cluster), log);
      const child = await begin();
      if (attempt === 1) options.onWait?.();
      const server = new EmbeddedPostgres(urlOf(Number(settings.port), password), Number(settings.port), child);
      const outcome = await server.ready(log, progress).catch(async (error: unknown) => {
        await server.stop();
        throw error;
      });
      if (outcome === 'ready') {
        if (options.keepUp) server.keepUp(begin, log, progress);
        return server;
      }
      // A Ctrl-C reached it in the instant before it was in a group of its own, or somebody took the port.
      const again = child.signalCode === 'SIGINT' || /could not bind|Address already in use/.test(outcome);
      if (attempt === 5 || !again) {
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
      await this.reviving;
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

  private keepUp(begin: () => Promise<ChildProcess>, log: string, progress: (text: string) => void): void {
    const { child } = this;
    const onEnd = (): void => {
      if (this.stopping) return;
      progress(`PostgreSQL ended by itself (${child.signalCode ?? child.exitCode}); starting it again. See ${log}`);
      this.reviving = this.revive(begin, log, progress);
    };
    // It may have ended since it was found ready: of that nobody hears any more.
    if (exited(child)) onEnd();
    else child.once('exit', onEnd);
  }

  /** Tries until it runs or is to stop: what keeps it from starting, such as a full disk, may be mended any time. */
  private async revive(
    begin: () => Promise<ChildProcess>,
    log: string,
    progress: (text: string) => void,
  ): Promise<void> {
    for (let pause = REVIVAL_MS; !this.isStopping(); pause = Math.min(pause * 2, LONGEST_REVIVAL_MS)) {
      await sleep(pause);
      if (this.isStopping()) return;
      try {
        this.child = await begin();
        if ((await this.ready(log, progress)) !== 'ready') continue;
        progress('PostgreSQL runs again');
        return this.keepUp(begin, log, progress);
      } catch (error) {
        progress(`PostgreSQL does not start: ${(error as Error).message}`);
        // It runs, and refuses its owner for now.
        if (!exited(this.child)) return this.keepUp(begin, log, progress);
      }
    }
  }

  /** Asked anew: it may change while something is awaited. */
  private isStopping(): boolean {
    return this.stopping !== undefined;
  }

  /** Waits until the server takes connections and has our database; the log's tail if it exits before. */
  private async ready(log: string, progress: (text: string) => void): Promise<string> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (let round = 1; !exited(this.child) && !this.isStopping(); round++) {
      const client = new SteadyClient({ connectionString: this.url.replace(/[^/]+$/, 'postgres') });
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
  `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${DATABASE}`;

const setupError = (message: string, log: string): DatabaseSetupError =>
  new DatabaseSetupError(message, `See ${log}; the password is in the file ${SECRET} next to it.`);

async function launch(server: Command, log: string): Promise<ChildProcess> {
  const output = await fs.open(log, 'a', 0o600);
  try {
    return await startApart(server, ['ignore', output.fd, output.fd]);
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
    try {
      process.kill(postmaster.pid, signal);
    } catch (error) {
      // Its owner may have told it to stop, so it may be gone by now.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (processAlive(postmaster.pid) && Date.now() < deadline) await sleep(25);
    if (!processAlive(postmaster.pid)) return;
  }
  throw new DatabaseSetupError(`PostgreSQL (pid ${postmaster.pid}) does not stop.`, 'Stop it by hand, then retry.');
}
