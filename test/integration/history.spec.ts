import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { type Placement, schemaOf } from '../../src/tenancy/index.js';
import { LoosePlace } from '../../src/tenant/history/loose.place.js';
import { TenantBackups } from '../../src/tenant/index.js';
import { MovePlaces } from '../../src/tenant/moves/move.places.js';
import { atPlace, fillTables } from '../kit/filled-tables.js';
import { HistoryBench, type State } from '../kit/histories.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { PROXIED } from '../kit/recording.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let bench: HistoryBench;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-history-'));
  t = await createTestApp({ ...ROOT_ENV, ...PROXIED, BACKUP_DIR: folder });
  bench = new HistoryBench(t, await signInAdmin(t));
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

/** Few, so that rows meet. */
const SLOTS = 4;
const idOf = (kind: number, slot: number) => `01900000-0000-7000-800${kind}-00000000000${slot}`;

type Act = (tenant: string) => [sql: string, values: unknown[]];
const slot = fc.integer({ min: 0, max: SLOTS - 1 });
const text = fc.constantFrom('a', '', 'ä"\\{},()', 'line\nbreak', 'NULL', '\u{1F600}', ' lead', '\\u0041');
const removes = (table: string, kind: number) =>
  slot.map((row): Act => (tenant) => [
    `DELETE FROM ${table} WHERE tenant_id = $1 AND id = $2`,
    [tenant, idOf(kind, row)],
  ]);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(slot, slot, text).map(([user, mail, name]): Act => (tenant) => [
    `INSERT INTO users (tenant_id, id, email, email_key, name, role) VALUES ($1, $2, $3, $3, $4, 'member')
       ON CONFLICT (tenant_id, id) DO UPDATE SET email_key = EXCLUDED.email_key, name = EXCLUDED.name`,
    [tenant, idOf(1, user), `m${mail}`, name],
  ]),
  fc.tuple(slot, slot).map(([session, user]): Act => (tenant) => [
    `INSERT INTO chat_sessions (tenant_id, id, token_hash, user_id) VALUES ($1, $2, decode(md5($2::text), 'hex'), $3)
       ON CONFLICT (tenant_id, id) DO UPDATE SET user_id = EXCLUDED.user_id, last_active_at = clock_timestamp()`,
    [tenant, idOf(2, session), idOf(1, user)],
  ]),
  fc.tuple(slot, slot, text).map(([message, session, content]): Act => (tenant) => [
    `INSERT INTO chat_messages (tenant_id, id, session_id, role, content) VALUES ($1, $2, $3, 'user', $4)
       ON CONFLICT (tenant_id, id) DO UPDATE SET session_id = EXCLUDED.session_id, content = EXCLUDED.content`,
    [tenant, idOf(3, message), idOf(2, session), content],
  ]),
  // Addresses go round among all who have one: a step by step way that leads there is hard to find afterwards.
  fc.constant<Act>((tenant) => [
    `DO $$ BEGIN
       UPDATE users SET email_key = 'parked ' || email_key WHERE tenant_id = '${tenant}';
       UPDATE users u SET email_key = r.key FROM (
         SELECT id, substr(coalesce(lead(email_key) OVER w, first_value(email_key) OVER w), 8) AS key FROM users
          WHERE tenant_id = '${tenant}' WINDOW w AS (ORDER BY id)) r WHERE u.tenant_id = '${tenant}' AND u.id = r.id;
     END $$`,
    [],
  ]),
  removes('users', 1),
  removes('chat_sessions', 2),
  removes('chat_messages', 3),
);

/** Changes that integrity refuses are taken back. */
async function change(client: pg.Client, tenant: string, acts: Act[]): Promise<void> {
  for (const [sql, values] of acts.map((one) => one(tenant))) {
    await client.query('SAVEPOINT one');
    await client.query(sql, values).catch(() => client.query('ROLLBACK TO one'));
  }
}

async function writer(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: t.database.adminUrl });
  await client.connect();
  await client.query('SET search_path = shared');
  return client;
}

async function backUp(slug: string): Promise<void> {
  const backups = t.app.get(TenantBackups);
  await backups.make((await backups.begin(slug)).id);
}

describe('the history of a tenant', () => {
  it('brings it to what it was at any moment, whatever changed and however it is spread over transactions', async () => {
    const { id } = await t.tenant('acme');
    await bench.keep('acme');
    const [client, late] = [await writer(), await writer()];
    let base: Placement = await bench.load('acme');
    const moments: [Date, State][] = [];
    let checked = 0;
    const check = async (at: number): Promise<void> => {
      const [until, state] = moments[at]!;
      const target = await bench.clone(id, base);
      expect(await bench.replay('acme', target, until)).toEqual(state);
      await bench.free(target);
      checked += 1;
    };
    const transaction = fc.record({
      acts: fc.array(act, { minLength: 1, maxLength: 6 }),
      /** Written by another transaction that is open meanwhile. */
      open: fc.option(fc.array(act, { minLength: 1, maxLength: 2 }), { freq: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(transaction, { minLength: 2, maxLength: 6 }),
        fc.nat(),
        fc.boolean(),
        async (transactions, which, anew) => {
          if (anew) {
            await bench.free(base);
            await bench.asPlatform(() => backUp('acme'));
            base = await bench.load('acme');
            moments.length = 0;
          }
          for (const { acts, open } of transactions) {
            await client.query(`BEGIN; SET LOCAL lock_timeout = '50ms'`);
            await change(client, id, acts);
            if (open) {
              await late.query(`BEGIN; SET LOCAL lock_timeout = '50ms'`);
              await change(late, id, open);
            }
            await client.query('COMMIT');
            moments.push([await bench.moment(), await bench.state('acme')]);
            if (!open) continue;
            await change(late, id, open);
            await late.query(
              `INSERT INTO sent_notices (tenant_id, id, sent_at) VALUES ($1, gen_random_uuid(), clock_timestamp())`,
              [id],
            );
            await late.query('COMMIT');
            moments.push([await bench.moment(), await bench.state('acme')]);
          }
          await check(which % moments.length);
          await check(moments.length - 1);
        },
      ),
      // What went before is part of what failed.
      { numRuns: 25, endOnFailure: true },
    );
    expect(checked).toBeGreaterThanOrEqual(50);
    await Promise.all([client.end(), late.end()]);
  });

  it('holds every value of every table as it is', async () => {
    const { id } = await t.tenant('globex');
    await bench.keep('globex');
    const base = await bench.load('globex');
    const tables = await fillTables(t, 'globex');
    const filled: [Date, State] = [await bench.moment(), await bench.state('globex')];
    await atPlace(t, 'globex', async (client) => {
      const { rows: columns } = await client.query<{ table: string; name: string; type: string }>(
        `SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE c.relnamespace = 'shared'::regnamespace AND c.relname = ANY ($1)`,
        [tables],
      );
      // What JSON and timestamps have that is easily lost.
      const edges: Record<string, string[]> = {
        jsonb: [`'null'`, `'[null, 1.10, -0.0, 1e400, "\\\\u2028"]'`, `'{"": {"null": null}}'`],
        'timestamp with time zone': [
          `'infinity'`,
          `'0044-03-15 12:00:00.000001+00 BC'`,
          `'9999-12-31 23:59:59.999999-11:59'`,
        ],
        'text[]': [`'{}'`, `'{NULL,"NULL","",null}'`],
        bytea: [`'\\x'`, `'\\x00ff5c'`],
      };
      for (const { table, name, type } of columns) {
        for (const [index, edge] of (edges[type] ?? []).entries()) {
          // Where a rule of the table refuses it, there is nothing to hold.
          await client
            .query(
              `UPDATE ${table} SET ${pg.escapeIdentifier(name)} = ${edge}
                WHERE tenant_id = $1 AND id = (SELECT id FROM ${table} WHERE tenant_id = $1 ORDER BY id OFFSET $2 LIMIT 1)`,
              [id, index],
            )
            .catch((error: pg.DatabaseError) => expect(error.code).toMatch(/^23/));
        }
      }
    });
    const edged: [Date, State] = [await bench.moment(), await bench.state('globex')];
    expect(edged[1]).not.toEqual(filled[1]);
    for (const [until, state] of [filled, edged]) {
      const target = await bench.clone(id, base);
      expect(await bench.replay('globex', target, until)).toEqual(state);
      await bench.free(target);
    }
  });

  it('is not kept back by a tenant role that says it makes a copy', async () => {
    const { id } = await t.tenant('acme');
    const count = async () =>
      (await t.database.admin('SELECT 1 FROM shared.history WHERE tenant_id = $1', [id])).length;
    const add = `INSERT INTO shared.sent_notices (tenant_id, id, sent_at) VALUES ($1, $2, now())`;
    const before = await count();
    for (const [role, more] of [
      ['tenant', 1],
      // It may.
      ['maintenance', 1],
    ] as const) {
      const client = new pg.Client({ connectionString: t.database.prepared.url(role, true) });
      await client.connect();
      await client.query(`SELECT set_config('app.tenant_id', $1, false), set_config('tenantry.copying', 'on', false)`, [
        id,
      ]);
      await client.query(add, [id, newId()]);
      await client.end();
      expect(await count()).toBe(before + more);
    }
  });

  it('has what retention removes, and what goes with it', async () => {
    const { id } = await t.tenant('acme');
    const base = await bench.load('acme');
    const session = newId();
    await t.database.admin(
      `INSERT INTO shared.chat_sessions (tenant_id, id, token_hash, last_active_at) VALUES ($1, $2, '\\x77', now() - interval '9 years')`,
      [id, session],
    );
    await t.database.admin(
      `INSERT INTO shared.chat_messages (tenant_id, id, session_id, role, content) VALUES ($1, $2, $3, 'user', 'old')`,
      [id, newId(), session],
    );
    const maintenance = new pg.Client({ connectionString: t.database.prepared.url('maintenance', true) });
    await maintenance.connect();
    await maintenance.query('DELETE FROM shared.chat_sessions WHERE tenant_id = $1 AND id = $2', [id, session]);
    await maintenance.end();
    const until = await bench.moment();
    expect(await bench.replay('acme', base, until)).toEqual(await bench.state('acme'));
    await bench.free(base);
  });

  it('puts back every rule of a place, also what a worker took off that died', async () => {
    const place = await bench.load('acme');
    const schema = schemaOf(place);
    const places = t.app.get(MovePlaces, { strict: false });
    const { id } = await t.tenant('acme');
    const rules = () =>
      bench.at(place, async (client) => {
        const { rows } = await client.query<{ rule: string }>(
          `SELECT conname || pg_get_constraintdef(oid) AS rule FROM pg_constraint WHERE connamespace = to_regnamespace($1)
           UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1`,
          [schema],
        );
        return rows.map(({ rule }) => rule);
      });
    const before = await rules();
    await places.asMigrator(place, (client) => LoosePlace.of(client, schema));
    expect((await rules()).length).toBeLessThan(before.length - 10);
    await places.asMigrator(place, async (client) => (await LoosePlace.of(client, schema)).tighten(client, id));
    expect(await rules()).toEqual(before);
    await bench.free(place);
  });
});
