import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditRetention } from '../../src/audit/index.js';
import { AuthPurge } from '../../src/auth/index.js';
import { firstIdAt, newId } from '../../src/common/index.js';
import { PlaceDirectory } from '../../src/database/index.js';
import { SessionPurge } from '../../src/session/index.js';
import { addServer, placeTenant, sqlAt, type TestServer } from '../kit/places.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const IN_SCHEMAS = ['schema-1', 'schema-2'];
const IN_DATABASES = ['base-1', 'base-2'];
const ON_SECOND = ['second-shared', 'second-schema', 'second-base'];
const ALL = ['acme', ...IN_SCHEMAS, ...IN_DATABASES, ...ON_SECOND];

let t: TestApp;
let second: TestServer;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  second = await addServer(t, 'second');
  const admin = await signInAdmin(t);
  for (const slug of IN_SCHEMAS) await placeTenant(admin, slug, { isolation: 'schema' });
  for (const slug of IN_DATABASES) await placeTenant(admin, slug, { isolation: 'database' });
  await placeTenant(admin, 'second-shared', { server: 'second' });
  await placeTenant(admin, 'second-schema', { isolation: 'schema', server: 'second' });
  await placeTenant(admin, 'second-base', { isolation: 'database', server: 'second' });
});
afterAll(async () => {
  await second.drop();
  await t.close();
});

const at = (slug: string, sql: string, values?: unknown[]) =>
  sqlAt(t, slug, sql, values, ON_SECOND.includes(slug) ? second : undefined);

/** One row of each kind that has had its time, and one that has not. */
async function fill(slug: string): Promise<void> {
  const { id } = await t.tenant(slug);
  for (const [age, days] of [
    ['old', 400],
    ['fresh', 0],
  ] as const) {
    const time = new Date(Date.now() - days * DAY_MS);
    await at(slug, 'INSERT INTO chat_sessions (tenant_id, id, token_hash, last_active_at) VALUES ($1, $2, $3, $4)', [
      id,
      newId(),
      Buffer.from(age),
      time,
    ]);
    await at(slug, 'INSERT INTO member_mails (tenant_id, id, recipient_hmac, sent_at) VALUES ($1, $2, $3, $4)', [
      id,
      newId(),
      Buffer.from(age),
      time,
    ]);
    await at(
      slug,
      `INSERT INTO audit_events (tenant_id, id, occurred_at, event, actor_kind) VALUES ($1, $2, $3, $4, 'system')`,
      [id, `${firstIdAt(time).slice(0, 24)}${'0'.repeat(11)}1`, time, `test.${age}`],
    );
  }
}

async function left(slug: string): Promise<Record<string, string[]>> {
  const { id } = await t.tenant(slug);
  const texts = async (sql: string): Promise<string[]> =>
    (await at(slug, sql, [id])).map((row) => String((row as { text: unknown }).text));
  return {
    sessions: await texts(`SELECT convert_from(token_hash, 'UTF8') AS text FROM chat_sessions WHERE tenant_id = $1`),
    mails: await texts(`SELECT convert_from(recipient_hmac, 'UTF8') AS text FROM member_mails WHERE tenant_id = $1`),
    events: await texts(
      `SELECT event AS text FROM audit_events WHERE tenant_id = $1 AND event ~ '^test|purged' ORDER BY event`,
    ),
  };
}

const FRESH = { sessions: ['fresh'], mails: ['fresh'], events: ['audit.purged', 'test.fresh'] };
const purge = async () => {
  const { sessions } = await t.app.get(SessionPurge, { strict: false }).purge();
  const { member_mails: mails } = await t.app.get(AuthPurge, { strict: false }).purge();
  const { tenants, events } = await t.app.get(AuditRetention, { strict: false }).purge();
  return { sessions, mails, tenants, events };
};

describe('what has had its time goes', () => {
  beforeEach(async () => {
    for (const slug of ALL) {
      for (const table of ['chat_sessions', 'member_mails', 'audit_events']) {
        const { id } = await t.tenant(slug);
        await at(slug, `DELETE FROM ${table} WHERE tenant_id = $1`, [id]);
      }
      await fill(slug);
    }
  });

  it('at every place that tenants live in, and nothing else does', async () => {
    const count = ALL.length;
    expect(await purge()).toEqual({ sessions: count, mails: count, tenants: count, events: count });
    for (const slug of ALL) expect([slug, await left(slug)]).toEqual([slug, FRESH]);
    expect(await purge()).toEqual({ sessions: 0, mails: 0, tenants: 0, events: 0 });
    const events = await t.database.admin(`SELECT details FROM platform.audit_events WHERE event = 'audit.purged'`);
    expect(events).toEqual([{ details: expect.objectContaining({ tenants: count, tenant_events: count }) }]);
  });

  it('over one connection for all schemas of a database', async () => {
    const schemas: string[][] = [];
    for await (const { tables } of t.app.get(PlaceDirectory).databases()) schemas.push(tables.map((one) => one.schema));
    const own = expect.stringMatching(/^t_[0-9a-f]{16}$/);
    expect(schemas).toEqual([['shared', own, own], ['shared'], ['shared'], ['shared', own], ['shared']]);
  });

  it('also when a schema and a database are gone, which the log names', async () => {
    const lost = ['schema-1', 'base-1'];
    const [schema, base] = [(await t.tenant('schema-1')).placement, (await t.tenant('base-1')).placement];
    if (schema.kind !== 'schema' || base.kind !== 'database') throw new Error('placed otherwise');
    await t.database.admin(`DROP SCHEMA ${schema.schema} CASCADE`);
    await t.database.admin(`DROP DATABASE ${base.database} WITH (FORCE)`);
    t.logs.length = 0;
    const count = ALL.length - lost.length;
    expect(await purge()).toEqual({ sessions: count, mails: count, tenants: count, events: count });
    for (const slug of ALL.filter((one) => !lost.includes(one)))
      expect([slug, await left(slug)]).toEqual([slug, FRESH]);
    for (const name of [schema.schema, base.database]) {
      const lines = t.logs.filter((line) => line.includes('could not be removed at a place') && line.includes(name));
      expect([name, lines.length]).toEqual([name, 3]);
    }
  });
});
