import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../kit/test-database.js';
import { SERVICE, startProcess, type StartingProcess, type TestProcess } from '../../kit/test-process.js';
import { proofOptions } from '../options.js';
import { abusedEnv } from './service.js';

const MIB = 1024 * 1024;
/** The heap that the service may have, in MiB: what grows without a bound ends the process, not the machine. */
const HEAP_MIB = 384;
/** What clients of one kind may add to the memory of the process, in MiB. */
const MOST_ADDED = 700;
/**
 * What they may add, in MiB, when all of them come again. Native memory that was given back is kept by the allocator for the
 * next, so what was resident stays; what grows again was not given back.
 */
const MOST_ADDED_AGAIN = 150;
/**
 * How long the health route may take beside clients that send many requests at once, in ms. Served as they come, before
 * anybody else, 20,000 take ten seconds.
 */
const MOST_WAITED_MS = 5000;
/** How long clients hold on, in ms. */
const HOLD_MS = Math.min(proofOptions(300).seconds * 20, 4000);

const LIVE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** As short as it gets: as many as possible are parsed at once. */
const TINY = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (length: number, more = ''): string =>
  `POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

interface Figures {
  clients: string;
  /** Requests that were answered, where they are counted. */
  answered: number;
  rss: [before: number, most: number, after: number];
  heap: [before: number, most: number, after: number];
  /** The longest that the health route took meanwhile. */
  healthMs: number;
}

describe('clients that hold on to what they can', () => {
  let database: TestDatabase;
  let service: TestProcess & StartingProcess;
  const table: Figures[] = [];
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    database = await createTestDatabase();
    const [node, main] = SERVICE;
    service = await startProcess(abusedEnv(database), [node!, `--max-old-space-size=${HEAP_MIB}`, main!]);
  });
  afterAll(async () => {
    const mib = (bytes: number[]): string => bytes.map((one) => String(Math.round(one / MIB)).padStart(5)).join(' →');
    const lines = table.map(({ clients, answered, rss, heap, healthMs }) =>
      [
        clients.padEnd(56),
        String(answered).padStart(8),
        mib(rss).padStart(22),
        mib(heap).padStart(22),
        healthMs.toFixed(0).padStart(10),
      ].join(''),
    );
    console.log(
      `\n${'MiB before → most → after'.padEnd(56)}answered           resident                  heap health ms\n${lines.join('\n')}\n`,
    );
    service?.child.kill('SIGTERM');
    await service?.exited;
    await database?.drop();
  });

  const memory = async (): Promise<{ rss: number; heap: number }> => {
    const [, port] = /Metrics +http:\/\/localhost:(\d+)/.exec(service.output())!;
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const value = (name: string): number =>
      Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
    return { rss: value('process_resident_memory_bytes'), heap: value('nodejs_heap_size_used_bytes') };
  };

  const health = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const began = performance.now();
      const request = http.get(
        { port: service.port, path: '/health/live', agent: false, timeout: 30_000 },
        (response) => {
          response.resume().once('end', () => {
            if (response.statusCode === 200) resolve(performance.now() - began);
            else reject(new Error(`health answers ${response.statusCode}`));
          });
        },
      );
      request.once('error', reject).once('timeout', () => request.destroy(new Error('health does not answer')));
    });

  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.add(socket);
      socket.once('connect', () => resolve(socket)).once('error', reject);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    });
  const opened = async (count: number): Promise<Socket[]> => {
    const all: Socket[] = [];
    // In portions that fit the queue of a listening socket.
    while (all.length < count)
      all.push(...(await Promise.all(Array.from({ length: Math.min(100, count - all.length) }, open))));
    return all;
  };
  /** Sends a piece to all that are still open, again and again, for a while. */
  const drip = async (all: Socket[], piece: string): Promise<void> => {
    for (const end = performance.now() + HOLD_MS; performance.now() < end; await sleep(500)) {
      for (const socket of all) if (socket.writable) socket.write(piece);
    }
  };
  const answersOf = (all: Socket[]): (() => number) => {
    let count = 0;
    for (const socket of all)
      socket.on('data', (chunk: Buffer) => (count += chunk.toString('latin1').split('HTTP/1.1 ').length - 1));
    return () => count;
  };

  /** By name: what they do, until they let go; how many of their requests were answered. */
  const CLIENTS: Record<string, () => Promise<number>> = {
    '1000 that say nothing': async () => {
      await opened(1000);
      await sleep(HOLD_MS);
      return 0;
    },
    '1000 that send their headers by and by': async () => {
      const all = await opened(1000);
      for (const socket of all) socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
      await drip(all, 'x');
      return 0;
    },
    '500 that send their body by and by': async () => {
      const all = await opened(500);
      for (const socket of all) socket.write(`${post(200_000)}{"tenant_id":"`);
      await drip(all, 'x');
      return 0;
    },
    '300 that hold back the last byte of 250 KiB': async () => {
      const all = await opened(300);
      const body = JSON.stringify({ tenant_id: 'acme', more: 'x'.repeat(250 * 1024) });
      for (const socket of all) socket.write(post(body.length) + body.slice(0, -1));
      await sleep(HOLD_MS);
      return 0;
    },
    '100 that read nothing of 30 large answers each': async () => {
      const all = await opened(100);
      for (const socket of all) {
        socket.pause();
        socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(30));
      }
      await sleep(HOLD_MS);
      return 0;
    },
    '500 that close their end and wait': async () => {
      const all = await opened(500);
      const answers = answersOf(all);
      for (const socket of all) socket.end(LIVE);
      await sleep(HOLD_MS);
      return answers();
    },
    '3000 that reset in the middle of a request': async () => {
      for (let round = 0; round < 30; round += 1) {
        const all = await opened(100);
        for (const socket of all) socket.write(`${post(1000)}{"tenant_id":`, () => socket.resetAndDestroy());
        await sleep(20);
      }
      return 0;
    },
    '200 with headers of 1 MiB': async () => {
      const all = await opened(200);
      const answers = answersOf(all);
      for (const socket of all) socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(MIB)}`);
      await sleep(HOLD_MS);
      return answers();
    },
    '20 that send 1000 requests without waiting': async () => {
      const all = await opened(20);
      const answers = answersOf(all);
      for (const socket of all) socket.write(LIVE.repeat(1000));
      await expect.poll(answers).toBe(20_000);
      return answers();
    },
    // More than all connections together may: some are closed.
    '300 that send 2400 tiny requests at once': async () => {
      const all = await opened(300);
      const answers = answersOf(all);
      for (const socket of all) socket.write(TINY.repeat(2400));
      await sleep(HOLD_MS);
      return answers();
    },
    'a flood over 300 connections': async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 300 });
      const statuses = new Map<number, number>();
      const end = performance.now() + HOLD_MS;
      const body = JSON.stringify({ tenant_id: 'acme' });
      const flood = async (): Promise<void> => {
        while (performance.now() < end) {
          const status = await new Promise<number>((resolve) => {
            const headers = { 'content-type': 'application/json', 'content-length': body.length };
            const request = http.request(
              { port: service.port, path: '/session', method: 'POST', agent, headers },
              (response) => {
                response.resume().once('end', () => resolve(response.statusCode ?? 0));
              },
            );
            request.once('error', () => resolve(0));
            request.end(body);
          });
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: 300 }, flood));
      agent.destroy();
      // Served, or told to come again.
      expect([201, 429, 503]).toEqual(expect.arrayContaining([...statuses.keys()]));
      return [...statuses.values()].reduce((sum, count) => sum + count, 0);
    },
  };

  const rounds = ['', ' (again)'].flatMap((again) =>
    Object.entries(CLIENTS).map(([clients, hold]) => [clients + again, again !== '', hold] as const),
  );
  /** Resident memory at most in the first round. */
  let peak = 0;

  it.each(rounds)('%s take no more than a bounded memory, and nobody else waits', async (clients, again, hold) => {
    const before = await memory();
    const most = { ...before };
    let healthMs = 0;
    let holding = true;
    const watching = (async () => {
      for (; holding; await sleep(100)) {
        healthMs = Math.max(healthMs, await health());
        const now = await memory();
        most.rss = Math.max(most.rss, now.rss);
        most.heap = Math.max(most.heap, now.heap);
      }
    })();
    let answered: number;
    try {
      answered = await hold();
    } finally {
      holding = false;
      await watching;
      for (const socket of sockets) socket.destroy();
    }
    await sleep(1000);
    await health();
    const after = await memory();
    const along = (kind: 'rss' | 'heap'): [number, number, number] => [before[kind], most[kind], after[kind]];
    table.push({ clients, answered, rss: along('rss'), heap: along('heap'), healthMs });
    expect(service.child.exitCode).toBe(null);
    expect((most.rss - before.rss) / MIB).toBeLessThan(MOST_ADDED);
    if (again) expect((most.rss - peak) / MIB).toBeLessThan(MOST_ADDED_AGAIN);
    else peak = Math.max(peak, most.rss);
    if (/ requests (without waiting|at once)/.test(clients)) expect(healthMs).toBeLessThan(MOST_WAITED_MS);
    expect(most.heap / MIB).toBeLessThan(HEAP_MIB);
  });
});
