import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthPurge } from '../../src/auth/index.js';
import {
  HourlyPurge,
  type PlaceDatabase,
  PlaceDirectory,
  type PreparedDatabase,
  type PurgeRun,
} from '../../src/database/index.js';
import { SessionPurge } from '../../src/session/index.js';
import { startProxy, type TcpProxy } from '../kit/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';

/** An installation without any place but the shared tables. */
class SharedTables extends PlaceDirectory {
  constructor(private readonly prepared: PreparedDatabase) {
    super();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- nothing to look up
  async *databases(): AsyncIterable<PlaceDatabase> {
    const url: PlaceDatabase['url'] = (...which) => Promise.resolve(this.prepared.url(...which));
    yield { home: true, tables: [{ place: 'default shared', schema: 'shared' }], url };
  }
}

/** Works on without asking the database anything, as retention does while it records. */
class Pondering extends HourlyPurge<Record<string, number>> {
  private begun = (): void => undefined;
  private release = (): void => undefined;
  readonly idle = new Promise<void>((resolve) => (this.begun = resolve));
  readonly released = new Promise<void>((resolve) => (this.release = resolve));
  run: PurgeRun | undefined;

  goOn(): void {
    this.release();
  }

  protected async ofTenants(run: PurgeRun): Promise<Record<string, number>> {
    this.run = run;
    await run.client.query('SELECT 1');
    this.begun();
    await this.released;
    await run.client.query('SELECT 1');
    return {};
  }
}

// What nobody listens to would be an uncaught exception, which fails the run.
describe('a purge whose connection is lost fails, and ends nothing else', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let prepared: PreparedDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startProxy(Number(new URL(database.adminUrl).port));
    prepared = { ...database.prepared, url: (...which) => proxy.through(database.prepared.url(...which)) };
  });
  afterAll(async () => {
    await proxy.close();
    await database.drop();
  });

  it.each([
    ['sessions', SessionPurge, 'shared.chat_sessions'],
    ['what expires of people', AuthPurge, 'shared.devices'],
  ])('in the middle of a statement: %s', async (_name, Purge, table) => {
    const blocker = new pg.Client({ connectionString: database.adminUrl });
    await blocker.connect();
    await blocker.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const purged = new Purge(prepared, new SharedTables(prepared)).purge().then(
      () => 'done',
      () => 'failed',
    );
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await expect.poll(() => database.admin(waiting), { timeout: 10_000 }).toHaveLength(1);
    proxy.reset();
    expect(await purged).toBe('failed');
    await blocker.query('COMMIT');
    await blocker.end();
    await expect(new Purge(prepared, new SharedTables(prepared)).purge()).resolves.toBeDefined();
  });

  it('while it asks nothing: its backend is terminated', async () => {
    const purge = new Pondering(prepared, new SharedTables(prepared));
    const purged = purge.purge().then(
      () => 'done',
      () => 'failed',
    );
    await purge.idle;
    await database.admin(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query = 'SELECT 1' AND pid <> pg_backend_pid()`,
    );
    await expect.poll(() => purge.run?.lost, { timeout: 10_000 }).toBe(true);
    purge.goOn();
    expect(await purged).toBe('failed');
  });
});
