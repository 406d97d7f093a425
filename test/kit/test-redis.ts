import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { accepts, executable, freePort } from './programs.js';

/** How to provide it, for `machineHas`. */
export const REDIS_HINT = 'install redis-server, or set REDIS_SERVER to its path';

/** The program: what REDIS_SERVER says, else the first on PATH or where distributions put daemons. */
export function findRedis(): string | undefined {
  const { REDIS_SERVER, PATH = '' } = process.env;
  if (REDIS_SERVER) return REDIS_SERVER;
  return [...PATH.split(path.delimiter), '/usr/sbin']
    .map((folder) => path.join(folder, 'redis-server'))
    .find(executable);
}

/** A Redis of a test's own, which it may kill and start again. */
export interface TestRedis {
  url: string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Stops it from answering, without closing a connection. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param program of {@link findRedis}
 * @param options cluster: one node with all slots, which refuses what any cluster does
 */
export async function startRedis(program: string, options: { cluster?: boolean } = {}): Promise<TestRedis> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    if (options.cluster) args.push('--cluster-enabled', 'yes');
    const started = spawn(program, args, { stdio: 'ignore' });
    child = started;
    for (const end = Date.now() + 20_000; !(await accepts(port)); await sleep(20)) {
      if (started.exitCode !== null || Date.now() > end) throw new Error('Redis did not start.');
    }
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await exited;
  };
  await start();
  if (options.cluster) await takeAllSlots(port);
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function takeAllSlots(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  for (const end = Date.now() + 20_000; !(await client.cluster('INFO')).includes('cluster_state:ok'); await sleep(20)) {
    if (Date.now() > end) throw new Error('The cluster of Redis did not become ready.');
  }
  await client.quit();
}
