import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { machineHas } from '../kit/needs.js';
import { findPgBouncer, type PgBouncer, startPgBouncer } from '../kit/pgbouncer.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const COUNT = 'SELECT count(*)::int AS n FROM chat_sessions WHERE created_at <= $1';

let t: TestApp;

async function as<Row>(slug: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  const tenant = await t.tenant(slug);
  return t.app.get(TenantRunner).run(tenant, () => t.app.get(TenantTransaction).query<Row>(sql, parameters));
}
const sessionsOf = async (slug: string) => (await as<{ n: number }>(slug, COUNT, [new Date()]))[0]!.n;
const prepared = () => as<{ statement: string }>('acme', 'SELECT statement FROM pg_prepared_statements');

describe('a connection straight to the server', () => {
  beforeEach(async () => {
    t = await createTestApp((url) => ({ DATABASE_URL: url, DATABASE_POOL_SIZE: '1' }));
  });
  afterEach(() => t?.close());

  it('keeps a statement prepared, and each tenant sees its own rows by it', async () => {
    await t.session('acme');
    await t.session('acme');
    await t.session('globex');
    for (let round = 0; round < 8; round++) {
      expect([await sessionsOf('acme'), await sessionsOf('globex'), await sessionsOf('initech')]).toEqual([2, 1, 0]);
    }
    const texts = (await prepared()).map(({ statement }) => statement);
    expect(texts.filter((text) => text === COUNT)).toHaveLength(1);
  });

  it('goes on with a statement whose table changed, and with one that failed when it was new', async () => {
    const all = 'SELECT * FROM chat_sessions';
    await t.session('acme');
    for (let round = 0; round < 2; round++) expect(await as('acme', all)).toHaveLength(1);
    await t.database.admin('ALTER TABLE shared.chat_sessions ADD COLUMN colour text');
    for (let round = 0; round < 3; round++) expect(await as('acme', all)).toMatchObject([{ colour: null }]);

    const ratio = 'SELECT 1 / $1::int AS ratio';
    await expect(as('acme', ratio, [0])).rejects.toThrow('division by zero');
    for (let round = 0; round < 2; round++) expect(await as('acme', ratio, [1])).toEqual([{ ratio: 1 }]);
    await expect(as('acme', 'SELECT nothing FROM nowhere')).rejects.toThrow('nowhere');
    await expect(as('acme', 'SELECT nothing FROM nowhere')).rejects.toThrow('nowhere');
    const texts = (await prepared()).map(({ statement }) => statement);
    expect([all, ratio].map((text) => texts.filter((known) => known === text).length)).toEqual([1, 1]);
  });

  it('keeps a hundred at most', async () => {
    for (let index = 0; index < 150; index++) await as('acme', `SELECT ${index} AS n`);
    expect(await as('acme', 'SELECT 0 AS n')).toEqual([{ n: 0 }]);
    expect((await prepared()).length).toBeLessThanOrEqual(100);
  });

  it('loses no statement when the server forgets what it had prepared', async () => {
    expect(await sessionsOf('acme')).toBe(0);
    await t.session('acme');
    await as('acme', 'DEALLOCATE ALL');
    expect(await sessionsOf('acme')).toBe(1);
  });
});

const program = findPgBouncer();
const present = machineHas(program, 'install pgbouncer, or set PGBOUNCER to its path, for the pgbouncer tests');

describe.skipIf(!present)('behind a pooler in transaction mode', () => {
  let bouncer: PgBouncer;
  beforeAll(async () => {
    bouncer = await startPgBouncer(program!, inject('adminUrl'));
  });
  afterEach(() => t?.close());
  afterAll(() => bouncer?.stop());

  const start = async (prepares?: string) => {
    t = await createTestApp((url) => ({
      DATABASE_URL: bouncer.via(url),
      DATABASE_DIRECT_URL: url,
      ...(prepares && { DATABASE_PREPARED_STATEMENTS: prepares }),
    }));
  };
  const chats = async () => {
    const session = await t.session('acme');
    const chat = { tenant_id: 'acme', session_id: session, message: 'hello' };
    const answers = await Promise.all(Array.from({ length: 8 }, () => t.request('POST', '/chat', { body: chat })));
    const stored = await as<{ n: number }>('acme', 'SELECT count(*)::int AS n FROM chat_messages');
    return { statuses: [...new Set(answers.map(({ status }) => status))], stored: stored[0]!.n };
  };

  it('prepares nothing', async () => {
    await start();
    expect(await chats()).toEqual({ statuses: [200], stored: 16 });
    expect((await prepared()).filter(({ statement }) => statement.includes('chat_messages'))).toEqual([]);
  });

  it('told to prepare where it cannot work, does without after the first loss, says so once, and loses nothing', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn');
    try {
      await start('on');
      const warnings = () =>
        warn.mock.calls.filter(([text]) => String(text).includes('DATABASE_PREPARED_STATEMENTS=off'));
      // Requests that come one after the other all find the same connection free, on which nothing is lost.
      let rounds = 0;
      do {
        rounds += 1;
        expect(await chats()).toEqual({ statuses: [200], stored: 16 * rounds });
      } while (warnings().length === 0 && rounds < 20);
      await chats();
      expect(warnings()).toHaveLength(1);
    } finally {
      warn.mockRestore();
    }
  });
});
