import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headOf } from '../../src/database/index.js';
import type { Place } from '../../src/tenant/index.js';
import { addsColumn, PlaceKit, release } from '../kit/place-kit.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';
import { withDatabase } from '../kit/test-env.js';

const SCHEMAS = 30;
const DATABASES = 2;
const ALL = SCHEMAS + DATABASES;
const MINUTES = 3 * 60_000;

const COLUMNS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map((column, index) =>
  addsColumn(column, 1_900_000_000_000 + index),
);

let database: TestDatabase;
let kit: PlaceKit;
let places: Place[];
beforeAll(async () => {
  database = await createTestDatabase();
  kit = await PlaceKit.open(database.prepared);
  places = [];
  for (let n = 0; n < SCHEMAS; n += 1) places.push(await kit.make('schema'));
  for (let n = 0; n < DATABASES; n += 1) places.push(await kit.make('database'));
  // Of tenants, but for a spare one of each kind.
  for (const { name } of [...places.slice(1, SCHEMAS), places.at(-1)!]) {
    await database.admin(`UPDATE platform.places SET state = 'used', tenant_id = gen_random_uuid() WHERE name = $1`, [
      name,
    ]);
  }
}, MINUTES);
afterAll(async () => {
  await kit.close();
  await database.drop();
});

const upTo = (n: number) => release(database.prepared, COLUMNS.slice(0, n));
const at = ({ kind, name }: Place): { url: string; schema: string } =>
  kind === 'schema'
    ? { url: database.adminUrl, schema: name }
    : { url: withDatabase(database.adminUrl, name), schema: 'shared' };

async function has(place: Place, column: string): Promise<boolean> {
  const { url, schema } = at(place);
  const rows = await runSql(
    url,
    `SELECT 1 FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'chat_messages' AND column_name = $2`,
    [schema, column],
  );
  return rows.length > 0;
}

async function having(column: string): Promise<number> {
  const found = await Promise.all(places.map((place) => has(place, column)));
  return found.filter(Boolean).length;
}

const placeRows = (): Promise<Record<string, unknown>[]> =>
  database.admin('SELECT * FROM platform.places ORDER BY server, name');

/** A column of that name is there already, so that the migration which adds it fails. */
async function obstruct(place: Place, column: string): Promise<() => Promise<unknown>> {
  const { url, schema } = at(place);
  await runSql(url, `ALTER TABLE ${schema}.chat_messages ADD COLUMN ${column} text`);
  return () => runSql(url, `ALTER TABLE ${schema}.chat_messages DROP COLUMN ${column}`);
}

describe('migrations over all tenants', { timeout: MINUTES }, () => {
  it('show the SQL they would run, and leave nothing behind', async () => {
    const before = await placeRows();
    const { json, error } = await kit.migrate(upTo(1), { dryRun: true });
    expect(error).toBeUndefined();
    const [tables, schemas, ...databases] = json.parts
      .reverse()
      .sort((a: { title: string }, b: { title: string }) =>
        a.title.startsWith('platform') ? -1 : b.title.startsWith('schema') ? 1 : 0,
      );
    const step = { name: 'Addone1900000000000', statements: ['ALTER TABLE chat_messages ADD COLUMN one text'] };
    expect(tables).toEqual({ title: 'platform and shared tables', migrations: [step] });
    expect([schemas, ...databases].map(({ migrations }) => migrations)).toEqual([[step], [step]]);
    expect(json.parts.map(({ title }: { title: string }) => title).join()).toContain(`and ${SCHEMAS - 1} more like it`);
    expect(await having('one')).toBe(0);
    expect(await placeRows()).toEqual(before);
    expect(await database.admin(`SELECT 1 FROM shared.migrations WHERE name LIKE 'Addone%'`)).toEqual([]);
  });

  it('go on past failures, name them, and go on with what is left when run again', async () => {
    const [, first, second] = places;
    const mends = [await obstruct(first!, 'one'), await obstruct(places.at(-1)!, 'one')];
    const { json, error } = await kit.migrate(upTo(1), { parallel: 3 });
    expect(error).toMatchObject({ exit: 9, code: 'migration_incomplete' });
    expect(json).toMatchObject({ tables: ['Addone1900000000000'], migrated: ALL - 2, left: 2 });
    const failed = { error: expect.stringMatching(/^Addone1900000000000: .*already exists/) };
    expect(json.failed.map(({ name }: Place) => name)).toEqual([first!.name, places.at(-1)!.name]);
    expect(json.failed[0]).toMatchObject({ ...failed, version: headOf(database.prepared.migrations) });
    expect(await has(second!, 'one')).toBe(true);
    const [row] = await database.admin('SELECT * FROM platform.places WHERE name = $1', [second!.name]);
    expect(row).toMatchObject({
      version: 'Addone1900000000000',
      migrate_ms: expect.any(Number),
      migration_started_at: expect.any(Date),
      migration_ended_at: expect.any(Date),
      error: null,
      held_by: null,
    });
    for (const mend of mends) await mend();
    const again = await kit.migrate(upTo(1));
    expect([again.error, again.json.migrated, again.json.left, again.json.failed]).toEqual([undefined, 2, 0, []]);
    expect(await having('one')).toBe(ALL);
  });

  it('keep what ran before the one that failed', async () => {
    const [place] = places;
    const mend = await obstruct(place!, 'three');
    const { json } = await kit.migrate(upTo(3));
    expect(json.failed).toEqual([expect.objectContaining({ name: place!.name, version: 'Addtwo1900000000001' })]);
    await mend();
    expect((await kit.migrate(upTo(3))).json).toMatchObject({ migrated: 1, left: 0 });
  });

  it('migrate each place once when started twice, and both end when all is done', async () => {
    const runs = await Promise.all([kit.migrate(upTo(4)), kit.migrate(upTo(4))]);
    expect(runs.map(({ error }) => error)).toEqual([undefined, undefined]);
    const migrated = runs.map(({ json }) => json.migrated as number);
    expect(migrated[0]! + migrated[1]!).toBe(ALL);
    expect(await having('four')).toBe(ALL);
  });

  it('leave alone what another run has in hand, and take it up when that one is killed', async () => {
    const next = upTo(5);
    const migrations = kit.migrations(next);
    const dead = await migrations.begin();
    const { hold } = dead as unknown as { hold: { id: number } };
    const held = await migrations.ledger.claim(hold as never, {}, 5);
    expect(held).toHaveLength(5);
    const run = kit.migrate(next);
    await expect.poll(() => having('five'), { timeout: 60_000 }).toBe(ALL - 5);
    expect(await Promise.all(held.map((place) => has(place, 'five')))).toEqual(held.map(() => false));
    await database.admin(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::bigint::oid AND objsubid = 2`,
      [hold.id],
    );
    const { json, error, notes } = await run;
    expect([error, json.left, json.migrated]).toEqual([undefined, 0, ALL]);
    expect(notes.join()).toContain('Another run has 5 in hand');
    expect(await having('five')).toBe(ALL);
    await dead.close();
  });

  it('stop after the first places until somebody says yes', async () => {
    const next = upTo(6);
    const asked = await kit.migrate(next, { canary: 3 });
    expect(asked.error).toMatchObject({ exit: 10, code: 'migration_unconfirmed' });
    expect(asked.json).toMatchObject({ migrated: 3, left: ALL - 3 });
    expect(await having('six')).toBe(3);
    expect((await kit.migrate(next, { canary: 2 }, false)).error).toMatchObject({ exit: 10 });
    expect(await having('six')).toBe(5);
    const [failing] = await migrationsLeft('six');
    const mend = await obstruct(failing!, 'six');
    const stopped = await kit.migrate(next, { canary: ALL - 6, yes: true });
    expect([stopped.error?.exit, stopped.json.left]).toEqual([9, expect.any(Number)]);
    await mend();
    expect((await kit.migrate(next, { canary: 1, yes: true })).error).toBeUndefined();
    expect(await having('six')).toBe(ALL);
  });

  it('say how many are at which version', async () => {
    const mend = await obstruct(places[3]!, 'seven');
    await kit.migrate(upTo(7));
    const { json } = await kit.status(upTo(7));
    expect(json).toMatchObject({ head: 'Addseven1900000000006', pending: [] });
    expect(json.versions).toEqual([
      { server: 'default', kind: 'schema', version: 'Addseven1900000000006', places: SCHEMAS - 1, spare: 1, failed: 0 },
      { server: 'default', kind: 'schema', version: 'Addsix1900000000005', places: 1, spare: 0, failed: 1 },
      { server: 'default', kind: 'database', version: 'Addseven1900000000006', places: DATABASES, spare: 1, failed: 0 },
    ]);
    expect(json.failed).toEqual([expect.objectContaining({ name: places[3]!.name })]);
    await mend();
  });

  it('migrate one tenant alone', async () => {
    await database.admin(
      `INSERT INTO platform.tenants (id, slug, name, plan, status, placement)
       SELECT coalesce(p.tenant_id, gen_random_uuid()), s.slug, s.slug, 'free', 'active', '{"kind":"shared"}'
         FROM (VALUES ('acme', $1), ('globex', '')) AS s (slug, place) LEFT JOIN platform.places p ON p.name = s.place`,
      [places[3]!.name],
    );
    const other = upTo(7);
    expect((await kit.migrate(other, { tenant: 'globex' })).json).toMatchObject({ migrated: 0, left: 0 });
    expect((await kit.migrate(other, { tenant: 'nobody' })).error).toMatchObject({ exit: 3 });
    expect((await kit.migrate(other, { tenant: 'acme' })).json).toMatchObject({ migrated: 1, left: 0 });
    expect((await kit.migrate(other)).json).toMatchObject({ tables: [], migrated: 0, left: 0 });
  });

  it('leave a place that a newer release has migrated as it is', async () => {
    const before = await placeRows();
    expect((await kit.migrate(upTo(2))).json).toMatchObject({ migrated: 0, left: 0 });
    expect(await placeRows()).toEqual(before);
  });
});

async function migrationsLeft(column: string): Promise<Place[]> {
  const left: Place[] = [];
  for (const place of places) if (!(await has(place, column))) left.push(place);
  return left;
}
