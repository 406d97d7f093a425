import type { PoolClient } from 'pg';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { ConnectionBroker } from '../../src/tenancy/connection.broker.js';
import { Budget, type ConnectionTarget } from '../../src/tenancy/connection.budget.js';
import { ConnectionsExhausted, TenantBusy } from '../../src/tenancy/index.js';
import { runSql } from '../kit/scratch-server.js';
import { withDatabase } from '../kit/test-env.js';

let broker: ConnectionBroker;
let url: string;
beforeAll(() => {
  url = inject('adminUrl');
});
afterEach(() => broker.end());

const pidOf = async (client: PoolClient): Promise<number> =>
  (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;

/** @param max of each place */
function placesOf(count: number, budget: Budget, max = 2): ConnectionTarget[] {
  return Array.from({ length: count }, (_, index) => {
    const own = new URL(url);
    own.searchParams.set('application_name', `broker-${index}`);
    return { key: `place ${index}`, connectionString: own.toString(), max, budget };
  });
}

async function nameAt(target: ConnectionTarget): Promise<string> {
  const client = await broker.acquire(target);
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT current_setting('application_name') AS name, pg_sleep(0.002)`,
    );
    return rows[0]!.name;
  } finally {
    client.release();
  }
}

describe('connections within a budget', () => {
  it('serve a burst over 200 places with 20 of them, each with its own, and never more', async () => {
    // Six hundred connections are opened: how long that takes is the machine's.
    broker = new ConnectionBroker({}, { waitMs: 90_000 });
    const budget = new Budget('own', 20);
    const places = placesOf(200, budget);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, broker.counts().total)), 1);
    const asked = Array.from({ length: 600 }, (_, index) => places[(index * 7) % 200]!);
    const names = await Promise.all(asked.map((target) => nameAt(target)));
    clearInterval(watch);
    expect(names).toEqual(asked.map(({ key }) => key.replace('place ', 'broker-')));
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(20);
    expect(budget.open).toBeLessThanOrEqual(20);
    const rows = await runSql(
      url,
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'broker-%'`,
    );
    expect((rows as { n: number }[])[0]!.n).toBeLessThanOrEqual(20);
  });

  it('are used again, and no place has more than its own share', async () => {
    broker = new ConnectionBroker({});
    const [place] = placesOf(1, new Budget('own', 10));
    const first = await broker.acquire(place!);
    const pid = await pidOf(first);
    first.release();
    const again = await broker.acquire(place!);
    expect(await pidOf(again)).toBe(pid);
    const second = await broker.acquire(place!);
    let third: PoolClient | undefined;
    const waiting = broker.acquire(place!).then((client) => (third = client));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(third).toBeUndefined();
    second.release();
    await waiting;
    expect(broker.counts()).toEqual({ total: 2, idle: 0, waiting: 0 });
    again.release();
    third!.release();
  });

  it('are never taken from who uses them: the others wait, in turns, and are told when it takes too long', async () => {
    broker = new ConnectionBroker({}, { waitMs: 300 });
    const [a, b, c] = placesOf(3, new Budget('own', 1));
    const held = await broker.acquire(a!);
    const pid = await pidOf(held);
    await expect(broker.acquire(b!)).rejects.toThrow(ConnectionsExhausted);
    const served: string[] = [];
    const turn = async (name: string, target: ConnectionTarget) => {
      const client = await broker.acquire(target);
      served.push(name);
      client.release();
    };
    const turns = [turn('b', b!), turn('b', b!), turn('c', c!), turn('c', c!)];
    expect(await pidOf(held)).toBe(pid);
    held.release();
    await Promise.all(turns);
    expect(served).toEqual(['b', 'c', 'b', 'c']);
  });

  it('that are lost, old or handed back with an error are not used again', async () => {
    broker = new ConnectionBroker({}, { lifeMs: 100 });
    const [place] = placesOf(1, new Budget('own', 1));
    const pids: number[] = [];
    const use = async (end: (client: PoolClient) => unknown) => {
      const client = await broker.acquire(place!);
      pids.push(await pidOf(client));
      await end(client);
    };
    await use((client) => client.release(new Error('broken')));
    await use((client) => client.release());
    await runSql(url, `SELECT pg_terminate_backend(${pids[1]})`);
    await expect.poll(() => broker.counts().total).toBe(0);
    await use(async (client) => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      client.release();
    });
    await use((client) => client.release());
    expect(new Set(pids).size).toBe(4);
    await use((client) => {
      client.release();
      expect(() => client.release()).toThrow('released before');
    });
  });

  it('that cannot be opened fail their own place, at once for a while, and leave the budget to others', async () => {
    broker = new ConnectionBroker({}, { failureMs: 200 });
    const budget = new Budget('own', 2);
    const gone: ConnectionTarget = { key: 'gone', connectionString: withDatabase(url, 'nowhere'), max: 2, budget };
    const [place] = placesOf(1, budget);
    await expect(Promise.all([broker.acquire(gone), broker.acquire(gone)])).rejects.toThrow('"nowhere" does not exist');
    await expect(broker.acquire(gone)).rejects.toThrow('"nowhere" does not exist');
    expect(await nameAt(place!)).toBe('broker-0');
    expect(broker.counts().total).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const mended = { ...gone, connectionString: url };
    broker.forget('gone');
    (await broker.acquire(mended)).release();
  });

  it('that idle for long are closed', async () => {
    broker = new ConnectionBroker({}, { idleMs: 1 });
    const [place] = placesOf(1, new Budget('own', 1));
    await nameAt(place!);
    await expect.poll(() => broker.counts().total, { timeout: 8000 }).toBe(0);
  });
});

describe('connections that tenants share', () => {
  const acme = { tenantId: 'acme', weight: 1 };
  const globex = { tenantId: 'globex', weight: 1 };
  const initech = { tenantId: 'initech', weight: 3 };

  it('go to them in turns, by weight, however many of one wait', async () => {
    broker = new ConnectionBroker({});
    const [place] = placesOf(1, new Budget('shared', 1), 1);
    const held = await broker.acquire(place!, 'free', acme);
    const served: string[] = [];
    const turn = async (share: typeof acme) => {
      const client = await broker.acquire(place!, 'free', share);
      served.push(share.tenantId);
      client.release();
    };
    const flood = Array.from({ length: 100 }, () => turn(acme));
    const others = [globex, globex, initech, initech, initech, initech].map(turn);
    held.release();
    await Promise.all([...flood, ...others]);
    const round = ['acme', 'globex', 'initech', 'initech', 'initech'];
    expect(served.slice(0, 8)).toEqual([...round, 'acme', 'globex', 'initech']);
    expect(served).toHaveLength(106);
  });

  it('have a bounded queue for each of them: beyond it that tenant alone is refused, at once', async () => {
    broker = new ConnectionBroker({}, { waitersPerTenant: 2, waitMs: 60_000 });
    const [place] = placesOf(1, new Budget('shared', 1), 1);
    const held = await broker.acquire(place!, 'free', acme);
    const use = (share: typeof acme) => broker.acquire(place!, 'free', share).then((client) => client.release());
    const waiting = [use(acme), use(acme)];
    await expect(use(acme)).rejects.toThrow(TenantBusy);
    waiting.push(use(globex));
    expect(broker.counts().waiting).toBe(3);
    held.release();
    await Promise.all(waiting);
    await use(acme);
  });

  it('leave whoever has waited for too long behind, and serve the next', async () => {
    broker = new ConnectionBroker({}, { waitMs: 100 });
    const [place] = placesOf(1, new Budget('shared', 1), 1);
    const held = await broker.acquire(place!, 'free', acme);
    await expect(broker.acquire(place!, 'free', acme)).rejects.toThrow(ConnectionsExhausted);
    expect(broker.counts().waiting).toBe(0);
    const next = broker.acquire(place!, 'free', globex);
    held.release();
    (await next).release();
    expect(broker.counts()).toEqual({ total: 1, idle: 1, waiting: 0 });
  });
});

describe('connections that a plan reserves', () => {
  const reserve = new Map([['premium', 2]]);

  it('stay free for its tenants, whoever else asks, and are there at once', async () => {
    broker = new ConnectionBroker({}, { waitMs: 500 });
    const budget = new Budget('shared', 4, () => reserve);
    const [place] = placesOf(1, budget, 4);
    const free = await Promise.allSettled(Array.from({ length: 4 }, () => broker.acquire(place!, 'free')));
    const held = free.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(held).toHaveLength(2);
    const waiting = broker.acquire(place!, 'free');
    const started = performance.now();
    const premium = [await broker.acquire(place!, 'premium'), await broker.acquire(place!, 'premium')];
    expect(performance.now() - started).toBeLessThan(400);
    // What they give back is theirs again, idle or not.
    for (const client of premium) client.release();
    await expect(waiting).rejects.toThrow(ConnectionsExhausted);
    for (const client of [await broker.acquire(place!, 'premium'), ...held]) client.release();
  });

  it('are no limit to them, and one is left to all others however much is reserved', async () => {
    broker = new ConnectionBroker({}, { waitMs: 100 });
    const [place] = placesOf(1, new Budget('shared', 4, () => reserve), 4);
    const premium = await Promise.all(Array.from({ length: 4 }, () => broker.acquire(place!, 'premium')));
    for (const client of premium) client.release();
    const greedy = new Map([
      ['enterprise', 3],
      ['premium', 9],
    ]);
    const [other] = placesOf(1, new Budget('shared', 4, () => greedy), 4).map((one) => ({ ...one, key: 'other' }));
    const first = await broker.acquire(other!, 'free');
    await expect(broker.acquire(other!, 'free')).rejects.toThrow(ConnectionsExhausted);
    // All that is reserved is the first plan's.
    await expect(broker.acquire(other!, 'premium')).rejects.toThrow(ConnectionsExhausted);
    const enterprise = [1, 2, 3].map(() => broker.acquire(other!, 'enterprise'));
    for (const client of [first, ...(await Promise.all(enterprise))]) client.release();
  });

  it('never go over the budget, and keep what they promise, however plans come and go', async () => {
    broker = new ConnectionBroker({}, { waitMs: 20_000 });
    const budget = new Budget('own', 6, () => reserve);
    const places = placesOf(12, budget, 3);
    const inUse = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 600 }, async (_, index) => {
        const plan = ['free', 'pro', 'premium'][index % 3]!;
        const client = await broker.acquire(places[(index * 5) % 12]!, plan);
        inUse.set(plan, (inUse.get(plan) ?? 0) + 1);
        const others = (inUse.get('free') ?? 0) + (inUse.get('pro') ?? 0);
        expect(others).toBeLessThanOrEqual(4);
        expect(others + (inUse.get('premium') ?? 0)).toBeLessThanOrEqual(6);
        await client.query('SELECT pg_sleep(0.001)');
        inUse.set(plan, inUse.get(plan)! - 1);
        client.release();
      }),
    );
    expect(broker.counts().waiting).toBe(0);
  });
});
