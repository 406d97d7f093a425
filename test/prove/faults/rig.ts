import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgres } from '../../../src/database/index.js';
import { freePort } from '../../kit/programs.js';
import { runSql } from '../../kit/scratch-server.js';
import { launch, SERVICE, startProcess, type StartingProcess, type TestProcess } from '../../kit/test-process.js';

const MASTER_KEY = 'a-master-key-for-proofs-of-32-characters';
type Running = TestProcess & StartingProcess;

/** A PostgreSQL server that keeps what it was told to, unlike that of the tests, and that is broken and mended. */
export class Server {
  private constructor(
    readonly dataDir: string,
    readonly port: string,
    private running: EmbeddedPostgres,
  ) {}

  static async start(dataDir: string): Promise<Server> {
    const port = String(await freePort());
    return new Server(dataDir, port, await EmbeddedPostgres.start({ dataDir, settings: { port } }));
  }

  get url(): string {
    return this.running.url;
  }

  /** An orderly end: sessions are cut, and everything is on the disk. */
  stop(): Promise<void> {
    return this.running.stop();
  }

  /** An end without a checkpoint: the next start recovers from the log. */
  async crash(): Promise<void> {
    process.kill(await this.pid(), 'SIGQUIT');
    while (
      await this.pid().then(
        () => true,
        () => false,
      )
    )
      await sleep(20);
  }

  /** Stops the server and all its sessions where they are, without closing anything; and lets them go on. */
  async freeze(): Promise<() => Promise<void>> {
    const pids = [
      await this.pid(),
      ...(await this.sql<{ pid: number }>('SELECT pid FROM pg_stat_activity')).map(({ pid }) => pid),
    ];
    const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
      for (const pid of pids) {
        try {
          process.kill(pid, name);
        } catch {
          // A session that has ended.
        }
      }
    };
    signal('SIGSTOP');
    return () => Promise.resolve(signal('SIGCONT'));
  }

  async restart(): Promise<void> {
    this.running = await EmbeddedPostgres.start({ dataDir: this.dataDir, settings: { port: this.port } });
  }

  async sql<Row>(text: string, values?: unknown[]): Promise<Row[]> {
    return (await runSql(this.url, text, values)) as Row[];
  }

  private async pid(): Promise<number> {
    return parseInt(await readFile(path.join(this.dataDir, 'postgres', 'postmaster.pid'), 'utf8'));
  }
}

/** Processes of the service over one server, as an operator runs them, and their end. */
export class Rig {
  readonly processes: Running[] = [];
  private readonly cleanups: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly folder: string,
    readonly server: Server,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /**
   * @param roles of the processes, in the order in which they start
   * @param env what they are told beyond the usual
   * @param command that runs one
   */
  static async start(roles: string[], env: NodeJS.ProcessEnv = {}, command = SERVICE): Promise<Rig> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-faults-'));
    const rig = new Rig(folder, await Server.start(path.join(folder, 'server')), env);
    rig.finally(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    rig.finally(() => rig.server.stop());
    try {
      for (const role of roles) await rig.launch(role, command);
      await liftLimits(rig.server.url);
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** Something to be done at the end, before what was asked for earlier. */
  finally(cleanup: () => Promise<unknown>): void {
    this.cleanups.unshift(cleanup);
  }

  async launch(role: string, command = SERVICE): Promise<Running> {
    const env = {
      ROLE: role,
      DEMO: 'on',
      DATABASE_URL: this.server.url,
      DATA_DIR: path.join(this.folder, 'data'),
      MASTER_KEY,
      ...this.env,
    };
    const started = await startProcess(env, command);
    this.processes.push(started);
    return started;
  }

  /** Ends a process as a crash does. */
  async kill(running: Running): Promise<void> {
    process.kill(-running.child.pid!, 'SIGKILL');
    await running.exited;
    this.processes.splice(this.processes.indexOf(running), 1);
  }

  async stop(): Promise<void> {
    for (const running of this.processes.splice(0)) await ended(running);
    for (const cleanup of this.cleanups.splice(0)) await cleanup();
  }
}

/** Asks a process to end; one that does not is killed. */
export async function ended({ child, exited }: Pick<Running, 'child' | 'exited'>): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 60_000);
  await exited;
  clearTimeout(late);
}

/** A service with a database of its own, in a folder that somebody else made. */
export async function startEmbedded(dataDir: string): Promise<Running> {
  const started = launch({ DATA_DIR: dataDir, MASTER_KEY });
  const running = { ...started, port: await started.serving };
  await liftLimits((await EmbeddedPostgres.findRunning(dataDir))!);
  return running;
}

/** The demo tenants but initech are counted no more: clients that write without a pause are not what is tried. */
async function liftLimits(url: string): Promise<void> {
  await runSql(
    url,
    `UPDATE platform.tenants SET plan = 'unlimited', settings = settings - 'limits.chat_per_10s' WHERE slug <> 'initech'`,
  );
  await runSql(url, `SELECT pg_notify('tenantry_tenants', '')`);
}

/** @returns ms until the process says that it is ready */
export async function untilReady(port: number, limitMs = 120_000): Promise<number> {
  for (const began = performance.now(); ; await sleep(20)) {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
    if (response?.ok) return performance.now() - began;
    if (performance.now() - began > limitMs)
      throw new Error(`Not ready within ${limitMs / 1000} s: ${await response?.text()}`);
  }
}
