import { randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { findRedis, REDIS_HINT, startRedis } from '../../kit/test-redis.js';
import { SERVICE } from '../../kit/test-process.js';
import { proofOptions } from '../options.js';
import { Ledger } from './ledger.js';
import { ended, Rig, startEmbedded, untilReady } from './rig.js';

const execute = promisify(execFile);
/** Of each phase, before a fault, under it and after it. */
const PHASE_MS = (proofOptions(180).seconds * 1000) / 36;
const WRITERS = 8;

interface Figures {
  fault: string;
  acknowledged: number;
  /** Of them, while the fault lasted. */
  meanwhile: number;
  cut: number;
  refused: string;
  lost: number;
  doubled: number;
  /** From the end of the fault until the first acknowledgement. */
  recoveredMs: number | undefined;
  note: string;
}

const table: Figures[] = [];
const skipped: string[] = [];

/** What a fault is put through: how it begins, and how it ends. */
interface Fault {
  name: string;
  begin: () => Promise<void>;
  /** Mends what was broken, as an operator or the machine does; the service is left to itself. */
  end: () => Promise<void>;
}

/** Clients write before, during and after the fault; what they were told is compared with what is there. */
async function undergo(ledger: Ledger, port: () => number, { name, begin, end }: Fault, note = ''): Promise<void> {
  ledger.start(WRITERS);
  let meanwhile: number;
  let recoveredMs: number;
  try {
    await expect.poll(() => ledger.acknowledged).toBeGreaterThan(WRITERS);
    await sleep(PHASE_MS);
    const before = ledger.acknowledged;
    await begin();
    await sleep(PHASE_MS);
    meanwhile = ledger.acknowledged - before;
    await end();
    recoveredMs = await ledger.recovered(performance.now());
    await untilReady(port());
    await sleep(PHASE_MS);
  } finally {
    await ledger.stop();
  }
  const verdict = await ledger.verify(port());
  table.push({
    fault: name,
    acknowledged: verdict.acknowledged,
    meanwhile,
    cut: ledger.cut,
    refused: [...ledger.refusals].map(([code, count]) => `${code} ${count}×`).join(', '),
    lost: verdict.lost.length,
    doubled: verdict.doubled.length,
    recoveredMs,
    note,
  });
  expect(verdict.lost, 'acknowledged, and not there').toEqual([]);
  expect(verdict.doubled, 'there twice').toEqual([]);
  expect(ledger.wrong.slice(0, 5), 'failed without saying so').toEqual([]);
}

function shown(rows: Figures[]): string {
  const columns: [string, (row: Figures) => string][] = [
    ['fault', ({ fault }) => fault],
    ['acknowledged', ({ acknowledged }) => String(acknowledged)],
    ['meanwhile', ({ meanwhile }) => String(meanwhile)],
    ['cut', ({ cut }) => String(cut)],
    ['lost', ({ lost }) => String(lost)],
    ['doubled', ({ doubled }) => String(doubled)],
    ['recovered in', ({ recoveredMs }) => (recoveredMs === undefined ? '' : `${(recoveredMs / 1000).toFixed(2)} s`)],
    ['refused', ({ refused, note }) => [refused, note].filter((text) => text !== '').join('; ')],
  ];
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, of]) => of(row)))];
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

describe('what was acknowledged stays, what failed says so, and the service recovers by itself', () => {
  let rig: Rig | undefined;
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });
  afterAll(() => {
    console.log(`\n${shown(table)}\n${skipped.map((reason) => `\nSkipped: ${reason}`).join('')}\n`);
  });
  const ports = (): number[] => rig!.processes.map(({ port }) => port);

  it('when the database is restarted', async () => {
    const { server } = (rig = await Rig.start(['all']));
    const fault = { name: 'database restarted', begin: () => server.stop(), end: () => server.restart() };
    await undergo(new Ledger(ports), () => ports()[0]!, fault);
  });

  it('when the database crashes', async () => {
    const { server } = (rig = await Rig.start(['all']));
    const fault = { name: 'database crashed', begin: () => server.crash(), end: () => server.restart() };
    await undergo(new Ledger(ports), () => ports()[0]!, fault);
  });

  it('when every connection to the database is cut, again and again', async () => {
    const { server } = (rig = await Rig.start(['all']));
    let cutting: NodeJS.Timeout;
    let cuts = 0;
    const cut = async (): Promise<void> => {
      const gone = await server.sql<{ gone: boolean }>(
        `SELECT pg_terminate_backend(pid) AS gone FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      );
      cuts += gone.length;
    };
    const fault: Fault = {
      name: 'connections cut',
      begin: async () => {
        await cut();
        cutting = setInterval(() => void cut().catch(() => undefined), 250);
      },
      end: () => Promise.resolve(clearInterval(cutting)),
    };
    await undergo(new Ledger(ports), () => ports()[0]!, fault);
    expect(cuts).toBeGreaterThan(5);
    table.at(-1)!.note = `${cuts} connections`;
  });

  it('when the database stops answering without closing a connection', async () => {
    const { server } = (rig = await Rig.start(['all']));
    let thaw: (() => Promise<void>) | undefined;
    rig.finally(async () => thaw?.());
    const fault: Fault = {
      name: 'database frozen',
      begin: async () => void (thaw = await server.freeze()),
      end: async () => thaw?.(),
    };
    await undergo(new Ledger(ports), () => ports()[0]!, fault);
  });

  it('when the disk of the embedded database is full', async (context) => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-full-'));
    try {
      await execute('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', folder]);
    } catch (error) {
      await rm(folder, { recursive: true });
      skipped.push(
        `disk full: a small file system cannot be mounted (${(error as Error).message.trim().split('\n').at(-1)})`,
      );
      return context.skip();
    }
    const service = await startEmbedded(path.join(folder, 'data'));
    const ballast = path.join(folder, 'ballast');
    let filling: NodeJS.Timeout | undefined;
    try {
      const fault: Fault = {
        name: 'disk full',
        begin: async () => {
          // Up to the last page, and what is given back meanwhile as well.
          const fill = async (): Promise<void> => {
            const { bavail, bsize } = await statfs(folder);
            if (bavail > 0)
              await writeFile(ballast, Buffer.alloc(bavail * bsize), { flag: 'a' }).catch(() => undefined);
          };
          await fill();
          filling = setInterval(() => void fill(), 100);
        },
        end: async () => {
          clearInterval(filling);
          await rm(ballast, { force: true });
        },
      };
      await undergo(new Ledger(() => [service.port]), () => service.port, fault);
    } finally {
      clearInterval(filling);
      await ended(service);
      await execute('umount', [folder]);
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('when Redis is gone, and comes back empty', async (context) => {
    const program = findRedis();
    if (!program) {
      skipped.push(`Redis gone: ${REDIS_HINT}`);
      return context.skip();
    }
    const redis = await startRedis(program);
    try {
      rig = await Rig.start(['all', 'api'], { REDIS_URL: redis.url });
      const fault = { name: 'Redis gone', begin: () => redis.kill(), end: () => redis.restart() };
      await undergo(new Ledger(ports), () => ports()[0]!, fault);
      const limits = async (port: number): Promise<unknown> =>
        ((await (await fetch(`http://127.0.0.1:${port}/health/ready`)).json()) as { limits: string }).limits;
      for (const port of ports()) await expect.poll(() => limits(port)).toBe('shared');
    } finally {
      await rig?.stop();
      await redis.stop();
    }
  });

  it.each([
    ['forward, and back', [3_600_000, 0]],
    ['back, and forward', [-3_600_000, 0]],
  ])('when the clock of the service jumps by an hour %s', async (way, [there, back]) => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-clock-'));
    const file = path.join(folder, 'clock');
    const move = (ms: number): Promise<void> => writeFile(file, String(ms));
    await move(0);
    try {
      const [node, main] = SERVICE;
      const command = [node!, '--import', path.resolve('test/prove/faults/clock.mjs'), main!];
      rig = await Rig.start(['all'], { CLOCK_FILE: file }, command);
      // Counted in windows of time, which a jump must not leave shut.
      const counted = new Ledger(ports, 'initech');
      counted.start(1);
      let recoveredMs: number;
      try {
        const fault = { name: `clock ${way}`, begin: () => move(there!), end: () => move(back!) };
        await undergo(new Ledger(ports), () => ports()[0]!, fault);
        recoveredMs = await counted.recovered(performance.now());
      } finally {
        await counted.stop();
      }
      const { lost, doubled } = await counted.verify(ports()[0]!);
      expect({ lost, doubled, wrong: counted.wrong }).toEqual({ lost: [], doubled: [], wrong: [] });
      table.at(-1)!.note = `a counted tenant: ${(recoveredMs / 1000).toFixed(2)} s`;
    } finally {
      await rig?.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('when one API process of two is killed, and the other serves', async () => {
    const { processes } = (rig = await Rig.start(['api', 'api', 'worker']));
    const [first, , worker] = processes;
    const apis = (): number[] => processes.filter((one) => one !== worker).map(({ port }) => port);
    const fault: Fault = {
      name: 'API process killed of two',
      begin: () => rig!.kill(first!),
      end: async () => void (await rig!.launch('api')),
    };
    await undergo(new Ledger(apis), () => apis()[0]!, fault);
    expect(table.at(-1)!.meanwhile).toBeGreaterThan(0);
  });

  it('when the only process is killed', async () => {
    const { processes } = (rig = await Rig.start(['all']));
    let last = processes[0]!.port;
    const port = (): number => (last = processes[0]?.port ?? last);
    const fault: Fault = {
      name: 'process killed',
      begin: () => rig!.kill(processes[0]!),
      end: async () => void (await rig!.launch('all')),
    };
    await undergo(new Ledger(() => [port()]), port, fault);
  });

  it('when the worker is killed: what was promised for later is done', async () => {
    const { processes, folder } = (rig = await Rig.start(['api', 'worker']));
    const port = processes[0]!.port;
    const invited: string[] = [];
    const token = await signedIn(port);
    let inviting = true;
    const inviter = (async () => {
      while (inviting) {
        const email = `guest-${randomUUID()}@acme.example`;
        const answer = await fetch(`http://127.0.0.1:${port}/api/invitations`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-tenant-id': 'acme', authorization: `Bearer ${token}` },
          body: JSON.stringify({ email, role: 'member' }),
        });
        if (answer.status === 201) invited.push(email);
        else await sleep(200);
        await sleep(20);
      }
    })();
    const mails = async (): Promise<string[]> => {
      const root = path.join(folder, 'data', 'mail');
      await mkdir(root, { recursive: true });
      const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.eml'));
      const texts = await Promise.all(files.map((name) => readFile(path.join(root, name), 'utf8')));
      return texts.map((text) => /^To: .*?(guest-[\w-]+@acme\.example)/im.exec(text)?.[1] ?? '');
    };
    const fault: Fault = {
      name: 'worker killed',
      begin: () => rig!.kill(processes[1]!),
      end: async () => void (await rig!.launch('worker')),
    };
    await undergo(new Ledger(() => [port]), () => port, fault);
    inviting = false;
    await inviter;
    expect(invited.length).toBeGreaterThan(5);
    const waiting = async (): Promise<string[]> => {
      const sent = new Set(await mails());
      return invited.filter((email) => !sent.has(email));
    };
    await expect.poll(waiting, { timeout: 120_000, interval: 500 }).toEqual([]);
    const sent = await mails();
    const twice = invited.filter((email) => sent.filter((to) => to === email).length > 1).length;
    table.at(-1)!.note = `${invited.length} invitations acknowledged, every one sent, ${twice} sent twice`;
  });
});

/** The access token of acme's owner. */
async function signedIn(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-tenant-id': 'acme' },
    body: JSON.stringify({ email: 'owner@acme.example', password: 'demo-password' }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}
