import type { PoolClient } from 'pg';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Budget, ConnectionBroker, type ConnectionTarget } from '../../src/tenancy/connection.broker.js';
import { ConnectionsExhausted } from '../../src/tenancy/index.js';
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
    broker = new ConnectionBroker({});
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
