import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS, OLDEST_SUPPORTED } from '../../migrations/index.js';
import { headOf, nameOf, PlaceMigrator, type PreparedDatabase, tenantMigrations } from '../../src/database/index.js';
import { TenantDataSource } from '../../src/tenancy/index.js';
import { takesAway } from '../kit/expand-contract.js';
import { addsColumn, PlaceKit, release } from '../kit/place-kit.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, serveTestApp, type TestApp } from '../kit/test-app.js';

const HEAD = headOf(MIGRATIONS);
const NEWER = 'Addlater1900000000000';

let t: TestApp;
let kit: PlaceKit;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, MIGRATE_PLACES: 'off' });
  kit = await PlaceKit.open(t.database.prepared);
  const admin = await signInAdmin(t);
  for (const isolation of ['schema', 'database']) {
    const slug = `own-${isolation}`;
    const answer = await createTenant(admin, slug, { isolation, settings: { 'chat.public': true, model: 'mock-1' } });
    expect(answer.status, answer.text).toBe(201);
    await untilStatus(admin, slug, 'active');
  }
}, 120_000);
afterAll(async () => {
  await kit.close();
  await t.close();
});

/** What each tenant's visitors get from a process of another release. */
async function answers(prepared: PreparedDatabase, ...slugs: string[]): Promise<[number, string | undefined][]> {
  const env = { ...t.database.env, migratePlaces: false };
  const other = await serveTestApp({ ...t.database, env, prepared, drop: () => Promise.resolve() });
  try {
    const ask = async (slug: string): Promise<[number, string | undefined]> => {
      const { status, json } = await other.request('POST', '/session', { body: { tenant_id: slug } });
      return [status, json.code];
    };
    return await Promise.all(slugs.map(ask));
  } finally {
    await other.app.close();
  }
}

describe('a place that is not at head', { timeout: 120_000 }, () => {
  const refused = [503, 'placement_unavailable'];
  const served = [201, undefined];

  it('is served by a release that still supports its version', async () => {
    const later = release(t.database.prepared, [addsColumn('later', 1_900_000_000_000)], HEAD);
    expect(await answers(later, 'own-schema', 'own-database', 'acme')).toEqual([served, served, served]);
  });

  it('is refused by one that does not, alone, until it is migrated', async () => {
    const later = release(t.database.prepared, [addsColumn('later', 1_900_000_000_000)], NEWER);
    expect(await answers(later, 'own-schema', 'own-database', 'acme')).toEqual([refused, refused, served]);
    expect((await kit.migrate(later, { tenant: 'own-schema' })).json).toMatchObject({ migrated: 1, left: 0 });
    expect(await answers(later, 'own-schema', 'own-database', 'acme')).toEqual([served, refused, served]);
    expect((await kit.migrate(later)).json).toMatchObject({ migrated: 1, left: 0 });
    expect(await answers(later, 'own-schema', 'own-database')).toEqual([served, served]);
  });

  it('is served by older releases, unless a migration says that they are too old', async () => {
    expect(await answers(t.database.prepared, 'own-schema')).toEqual([served]);
    const more = [addsColumn('later', 1_900_000_000_000), addsColumn('latest', 1_900_000_000_001, NEWER)];
    const latest = release(t.database.prepared, more);
    expect((await kit.migrate(latest, { tenant: 'own-schema' })).error).toBeUndefined();
    const later = release(t.database.prepared, more.slice(0, 1));
    expect(await answers(t.database.prepared, 'own-schema', 'own-database', 'acme')).toEqual([refused, served, served]);
    expect(await answers(later, 'own-schema')).toEqual([served]);
  });
});

describe('tenant migrations', () => {
  const names = tenantMigrations(MIGRATIONS).map(nameOf);

  it('include the oldest that the application works with', () => {
    expect(names).toContain(OLDEST_SUPPORTED);
  });

  /** Schemas made for a look alone, in a transaction that is rolled back. */
  async function statementsAfterOldest(): Promise<string[]> {
    const url = t.database.prepared.url('migrator', true);
    const migrator = await PlaceMigrator.connect(url, MIGRATIONS);
    try {
      const rehearsed = await migrator.rehearse({ schema: 'a_rehearsal' });
      expect(rehearsed.map(({ name }) => name)).toEqual(names);
      const after = names.slice(names.indexOf(OLDEST_SUPPORTED) + 1);
      return rehearsed.filter(({ name }) => after.includes(name)).flatMap(({ statements }) => statements);
    } finally {
      await migrator.close();
    }
  }

  it('newer than that one take nothing away that the application uses', async () => {
    expect((await statementsAfterOldest()).filter(takesAway)).toEqual([]);
    expect(await t.database.admin(`SELECT 1 FROM pg_namespace WHERE nspname = 'a_rehearsal'`)).toEqual([]);
  });

  it.each([
    ['ALTER TABLE users DROP COLUMN name', true],
    ['alter table users\n  drop name', true],
    ['ALTER TABLE users RENAME COLUMN name TO full_name', true],
    ['ALTER TABLE users RENAME TO people', true],
    ['ALTER TABLE users ALTER COLUMN age TYPE bigint', true],
    ['DROP TABLE users', true],
    ['ALTER TABLE users ADD COLUMN nick text NOT NULL', true],
    ["ALTER TABLE users ADD COLUMN nick text NOT NULL DEFAULT ''", false],
    ['ALTER TABLE users ADD COLUMN nick text, ADD COLUMN dropped_at timestamptz', false],
    ['ALTER TABLE users DROP CONSTRAINT users_age', false],
    ['ALTER TABLE users ALTER COLUMN nick DROP DEFAULT', false],
    ['ALTER TABLE users ALTER COLUMN nick DROP NOT NULL', false],
    ['DROP INDEX users_by_name', false],
    ['CREATE TABLE renamed (id uuid NOT NULL)', false],
  ])('%s takes something away: %s', (sql, expected) => {
    expect(takesAway(sql)).toBe(expected);
  });

  it('up to that one make all that the entities use', async () => {
    const sets = MIGRATIONS.map((set) =>
      set.schema === 'shared'
        ? { ...set, migrations: set.migrations.slice(0, names.indexOf(OLDEST_SUPPORTED) + 1) }
        : set,
    );
    const migrator = await PlaceMigrator.connect(t.database.prepared.url('migrator', true), sets);
    try {
      await migrator.toHead({ schema: 't_oldest' });
    } finally {
      await migrator.close();
    }
    const rows = await t.database.admin<{ name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 't_oldest'`,
    );
    const there = new Set(rows.map(({ name }) => name));
    const used = t.app
      .get(TenantDataSource)
      .entityMetadatas.flatMap(({ tableName, columns }) =>
        columns.map((column) => `${tableName}.${column.databaseName}`),
      );
    expect(used.filter((name) => !there.has(name))).toEqual([]);
    await t.database.admin('DROP SCHEMA t_oldest CASCADE');
  });
});
