import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { startCapture } from '../../src/database/index.js';
import { placementOf } from '../../src/tenant/index.js';
import { compareRows, copyRows } from '../../src/tenant/moves/move.copier.js';
import { CopyUnfit } from '../../src/tenant/moves/move.errors.js';
import { applyDelta, forgetDelta } from '../../src/tenant/moves/move.follower.js';
import { connect, MovePlace } from '../../src/tenant/moves/move.place.js';
import { atOneMoment } from '../../src/tenant/moves/move.run.js';
import { type MovedTable, movedTables } from '../../src/tenant/moves/moved.tables.js';
import { nextChanged, nextGone, nextRows, sumsOf } from '../../src/tenant/moves/row.statements.js';
import { PlaceKit } from '../kit/place-kit.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';

const TENANT = '01900000-0000-7000-8000-00000000acce';
const OTHER = '01900000-0000-7000-8000-00000000beef';
const EARLIER = '01900000-0000-7000-8000-000000000ace';
/** Few, so that rows meet. */
const SLOTS = 4;
const idOf = (kind: number, slot: number) => `01900000-0000-7000-800${kind}-00000000000${slot}`;

let database: TestDatabase;
let kit: PlaceKit;
let writer: pg.Client;
let source: MovePlace;
let target: MovePlace;
let reader: pg.Client;
let tables: MovedTable[];
beforeAll(async () => {
  database = await createTestDatabase();
  kit = await PlaceKit.open(database.prepared);
  const placement = placementOf(await kit.make('schema'));
  const url = database.prepared.url('maintenance', true);
  source = await MovePlace.open(url, { kind: 'shared' }, TENANT);
  target = await MovePlace.open(url, placement, TENANT);
  reader = await connect(url);
  tables = await movedTables(source, target);
  await target.close();
  const migrator = await connect(database.prepared.url('migrator', true));
  await startCapture(migrator, { schema: 'shared', tenantId: TENANT, purpose: 'move' });
  await migrator.end();
  writer = new pg.Client({ connectionString: database.adminUrl });
  await writer.connect();
  await writer.query('SET search_path = shared');
});
afterAll(async () => {
  await Promise.all([source.end(), target.end(), reader.end(), writer.end(), kit.close()]);
  await database.drop();
});

/** One change that a tenant may make; those that integrity refuses are taken back. */
type Act = [sql: string, values: unknown[]];
const slot = fc.integer({ min: 0, max: SLOTS - 1 });
const text = fc.constantFrom('a', '', 'ä"\\{},()', 'line\nbreak', 'NULL', '\u{1F600}', ' lead');
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(slot, slot, text).map(([user, mail, name]): Act => [
    `INSERT INTO users (tenant_id, id, email, email_key, name, role) VALUES ($1, $2, $3, $3, $4, 'member')
       ON CONFLICT (tenant_id, id) DO UPDATE SET email_key = EXCLUDED.email_key, name = EXCLUDED.name, mfa_secret = '\\x00ff'`,
    [TENANT, idOf(1, user), `m${mail}`, name],
  ]),
  slot.map((user): Act => ['DELETE FROM users WHERE tenant_id = $1 AND id = $2', [TENANT, idOf(1, user)]]),
  fc.tuple(slot, slot).map(([session, user]): Act => [
    `INSERT INTO chat_sessions (tenant_id, id, token_hash, user_id) VALUES ($1, $2, decode(md5($2::text), 'hex'), $3)
       ON CONFLICT (tenant_id, id) DO UPDATE SET user_id = EXCLUDED.user_id, last_active_at = clock_timestamp()`,
    [TENANT, idOf(2, session), idOf(1, user)],
  ]),
  slot.map((session): Act => [
    'DELETE FROM chat_sessions WHERE tenant_id = $1 AND id = $2',
    [TENANT, idOf(2, session)],
  ]),
  fc.tuple(slot, slot, text).map(([message, session, content]): Act => [
    `INSERT INTO chat_messages (tenant_id, id, session_id, role, content) VALUES ($1, $2, $3, 'user', $4)
       ON CONFLICT (tenant_id, id) DO UPDATE SET session_id = EXCLUDED.session_id, content = EXCLUDED.content`,
    [TENANT, idOf(3, message), idOf(2, session), content],
  ]),
  slot.map((message): Act => [
    'DELETE FROM chat_messages WHERE tenant_id = $1 AND id = $2',
    [TENANT, idOf(3, message)],
  ]),
  slot.map((user): Act => [
    `INSERT INTO users (tenant_id, id, email, email_key, name, role) VALUES ($1, $2, 'x', $3, 'x', 'member') ON CONFLICT DO NOTHING`,
    [OTHER, idOf(1, user), `m${user}`],
  ]),
);

async function commit(acts: Act[]): Promise<void> {
  await writer.query('BEGIN');
  for (const [sql, values] of acts) {
    await writer.query('SAVEPOINT one');
    await writer.query(sql, values).catch(() => writer.query('ROLLBACK TO one'));
  }
  await writer.query('COMMIT');
}

const check = () => Promise.resolve();
const ends = () => ({ source, target, tables });

async function copyAnew(): Promise<void> {
  await target.empty(await target.tables(), check);
  await atOneMoment({ source, reader }, async (snapshot) => {
    await copyRows({ ...ends(), snapshot }, tables, undefined, check);
    await forgetDelta({ reader: snapshot, source });
  });
}

/** @returns false when the copy had to begin anew */
async function pass(whole: boolean): Promise<boolean> {
  try {
    await atOneMoment({ source, reader }, async (snapshot) => {
      await applyDelta({ ...ends(), reader: snapshot }, check);
      await forgetDelta({ reader: snapshot, source });
      if (whole) await compareRows({ ...ends(), snapshot }, tables, check);
    });
    return true;
  } catch (error) {
    if (!(error instanceof CopyUnfit)) throw error;
    await copyAnew();
    return false;
  }
}

describe('what changes during a copy', () => {
  it('is brought over, whatever it is and however it is spread over transactions and passes', async () => {
    let passes = 0;
    let anew = 0;
    await copyAnew();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(act, { minLength: 1, maxLength: 6 }), fc.boolean()), { minLength: 1, maxLength: 6 }),
        async (transactions) => {
          for (const [acts, follows] of transactions) {
            await commit(acts);
            if (!follows) continue;
            passes += 1;
            if (!(await pass(false))) anew += 1;
          }
          passes += 1;
          if (!(await pass(true))) anew += 1;
          // Seen by somebody who knows nothing of checksums.
          for (const table of ['users', 'chat_sessions', 'chat_messages']) {
            const at = (schema: string) =>
              database.admin(`SELECT * FROM ${schema}.${table} WHERE tenant_id = $1 ORDER BY id`, [TENANT]);
            expect(await at(target.schema)).toEqual(await at('shared'));
          }
          expect(await database.admin(`SELECT 1 FROM ${target.schema}.users WHERE tenant_id = $1`, [OTHER])).toEqual(
            [],
          );
        },
      ),
      { numRuns: 40 },
    );
    // Only where unique values went round among several rows at once.
    expect(anew / passes).toBeLessThan(0.15);
  });

  it('is what was written while the snapshot was taken: an entry that it does not see stays', async () => {
    await copyAnew();
    const late = new pg.Client({ connectionString: database.adminUrl });
    await late.connect();
    await late.query('BEGIN');
    await late.query(
      `INSERT INTO shared.users (tenant_id, id, email, email_key, name, role) VALUES ($1, $2, 'late', 'late', 'late', 'member')`,
      [TENANT, idOf(9, 1)],
    );
    // Its number is lower than that of the next, which commits before it.
    await commit([['UPDATE users SET name = $2 WHERE tenant_id = $1', [TENANT, 'renamed']]]);
    expect(await pass(true)).toBe(true);
    await late.query('COMMIT');
    await late.end();
    expect(await pass(true)).toBe(true);
    const there = await database.admin(`SELECT name FROM ${target.schema}.users WHERE id = $1`, [idOf(9, 1)]);
    expect(there).toEqual([{ name: 'late' }]);
  });
});

describe('the statements of a copy', () => {
  it.each([
    ['chat_messages', 'before', OTHER],
    ['chat_messages', 'behind', EARLIER],
    ['history', 'before', OTHER],
    ['history', 'behind', EARLIER],
  ])('look at about the rows they take of %s, though statistics know of none but %s', async (name, _where, other) => {
    const many = 5000;
    // As the table makes them.
    const id = name === 'history' ? randomUUID : newId;
    const made = Array.from({ length: many }, () => id());
    const now = made.toSorted();
    const fill = async (tenant: string, ids: string[]): Promise<void> =>
      commit([
        [`INSERT INTO chat_sessions (tenant_id, id, token_hash) VALUES ($1, $2, sha256('many'))`, [tenant, idOf(2, 9)]],
        name === 'history'
          ? [
              `INSERT INTO history (tenant_id, id, relation, key)
                 SELECT $1, id, 'chat_messages', id FROM unnest($2::uuid[]) id`,
              [tenant, ids],
            ]
          : [
              `INSERT INTO chat_messages (tenant_id, id, session_id, role, content)
                 SELECT $1, id, $3, 'user', 'many' FROM unnest($2::uuid[]) id`,
              [tenant, ids, idOf(2, 9)],
            ],
        [
          `INSERT INTO changes (tenant_id, purpose, relation, operation, key)
             SELECT $1, 'move', $3, 'insert', id FROM unnest($2::uuid[]) id`,
          [tenant, ids, name],
        ],
      ]);
    for (const table of ['changes', 'chat_messages', 'chat_sessions', 'history']) {
      await writer.query(`TRUNCATE ${table} CASCADE`);
    }
    const theirs = Array.from({ length: 1000 }, () => id());
    await fill(other, theirs);
    await writer.query('ANALYZE');
    await fill(TENANT, made);
    await commit([[`DELETE FROM ${name} WHERE tenant_id = $1 AND id = ANY ($2)`, [TENANT, now.slice(0, many / 2)]]]);
    const [table, changes] = [source.table(name), source.table('changes')];
    const middle = now[many / 2];
    for (const [sql, values] of [
      [nextRows(table), [TENANT, middle]],
      [nextChanged(table, changes), [TENANT, middle, name]],
      [nextGone(table, changes), [TENANT, now[0], name]],
      [sumsOf(table), [TENANT, now.slice(-2000)]],
    ] as [string, unknown[]][]) {
      const { rows } = await source.client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
        values,
      );
      const { Plan: plan } = rows[0]!['QUERY PLAN'][0];
      // A chunk has 2000; each is looked at by a handful of nodes.
      expect(lookedAt(plan), JSON.stringify(plan, undefined, 1)).toBeLessThan(50_000);
      expect(lookedAt(plan)).toBeGreaterThan(2000);
    }
  });
});

it('the statements of a copy walk along the primary key, whatever else there is an index for', async () => {
  const none = newId();
  const changes = source.table('changes');
  for (const { name } of tables) {
    const table = source.table(name);
    for (const [sql, values] of [
      [nextRows(table), [TENANT, none]],
      [nextChanged(table, changes), [TENANT, none, name]],
      [nextGone(table, changes), [TENANT, none, name]],
      [sumsOf(table), [TENANT, [none]]],
    ] as [string, unknown[]][]) {
      const { rows } = await source.client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `EXPLAIN (FORMAT JSON) ${sql}`,
        values,
      );
      const scans = scansOf(rows[0]!['QUERY PLAN'][0].Plan, name);
      expect(scans).toEqual([`${name}_pkey`]);
    }
  }
});

interface PlanNode {
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  Plans?: PlanNode[];
}

function scansOf(node: PlanNode, table: string): (string | undefined)[] {
  const own = node['Relation Name'] === table ? [node['Index Name']] : [];
  return [...own, ...(node.Plans ?? []).flatMap((child) => scansOf(child, table))];
}

function lookedAt(node: PlanNode): number {
  const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
  return each * node['Actual Loops'] + (node.Plans ?? []).reduce((sum, child) => sum + lookedAt(child), 0);
}
