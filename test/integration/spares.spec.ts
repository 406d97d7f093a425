import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headOf } from '../../src/database/index.js';
import { seal } from '../../src/common/index.js';
import { PlaceKeeper, PlaceMigrations, PlaceStore } from '../../src/tenant/index.js';
import { addsColumn, PlaceKit, release } from '../kit/place-kit.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { serveTestApp, type TestApp } from '../kit/test-app.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';

const MINUTE = 60_000;
let database: TestDatabase;
let open: TestApp[];
/** Outside a request all applications of a process log where the first one does. */
let logs: string[] | undefined;
beforeAll(async () => {
  database = await createTestDatabase(ROOT_ENV);
  open = [];
});
afterAll(async () => {
  for (const t of open) await t.close();
  await database.drop();
});

/** A process over the database that stays when it ends. */
async function serve(env: Partial<TestDatabase['env']>, prepared = database.prepared): Promise<TestApp> {
  const t = await serveTestApp({
    ...database,
    prepared,
    env: { ...database.env, ...env },
    drop: () => Promise.resolve(),
  });
  open.push(t);
  logs ??= t.logs;
  return t;
}

async function end(t: TestApp): Promise<void> {
  open.splice(open.indexOf(t), 1);
  await t.close();
}

interface Row {
  name: string;
  kind: string;
  state: string;
  version: string;
  failures: number;
  error: string | null;
}
const rows = (state?: string): Promise<Row[]> =>
  database.admin('SELECT * FROM platform.places WHERE $1::text IS NULL OR state = $1 ORDER BY kind, created_at', [
    state ?? null,
  ]);
const spares = async (kind = 'schema'): Promise<string[]> =>
  (await rows('spare')).filter((row) => row.kind === kind).map(({ name }) => name);

async function schemaIsThere(name: string): Promise<boolean> {
  return (await database.admin('SELECT 1 FROM pg_namespace WHERE nspname = $1', [name])).length > 0;
}

/** Does what there is to do, as a worker would. */
async function keep(t: TestApp): Promise<void> {
  while (await t.app.get(PlaceKeeper).pass());
}

const api = (warmSchemas: number, warmDatabases = 0) => ({ role: 'api' as const, warmSchemas, warmDatabases });

describe('spare places', { timeout: 2 * MINUTE }, () => {
  it('are taken by new tenants, and others made in their stead', async () => {
    const t = await serve({ warmSchemas: 1, warmDatabases: 1 });
    const admin: SignedInAdmin = await signInAdmin(t);
    for (const isolation of ['schema', 'database']) {
      await expect.poll(() => spares(isolation), { timeout: MINUTE }).toHaveLength(1);
      const [spare] = await spares(isolation);
      const slug = `warm-${isolation}`;
      expect((await createTenant(admin, slug, { isolation })).status).toBe(201);
      await untilStatus(admin, slug, 'active');
      const { placement } = await t.tenant(slug);
      expect(Object.values(placement)).toContain(spare);
      await expect.poll(() => spares(isolation), { timeout: MINUTE }).toHaveLength(1);
      expect(await spares(isolation)).not.toContain(spare);
    }
    await end(t);
  });

  it('are not needed: without one a tenant gets a place all the same', async () => {
    const t = await serve({ warmSchemas: 0, warmDatabases: 0 });
    await expect.poll(() => rows('spare'), { timeout: MINUTE }).toEqual([]);
    const admin = await signInAdmin(t);
    expect((await createTenant(admin, 'cold', { isolation: 'schema' })).status).toBe(201);
    await untilStatus(admin, 'cold', 'active');
    expect(await rows('spare')).toEqual([]);
    await end(t);
  });

  it('are never more than asked for, however many workers look after them', async () => {
    const workers = [await serve(api(3)), await serve(api(3))];
    const keepers = workers.map((t) => t.app.get(PlaceKeeper));
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([...keepers, ...keepers].map((keeper) => keeper.pass()));
      expect((await rows()).filter(({ state }) => state === 'spare' || state === 'making').length).toBeLessThan(4);
    }
    await keep(workers[0]!);
    expect(await spares()).toHaveLength(3);
    for (const t of workers) await end(t);
  });

  it('above the number are dropped, the newest first', async () => {
    const [oldest, ...others] = await spares();
    const t = await serve(api(1));
    await keep(t);
    expect(await spares()).toEqual([oldest]);
    for (const name of others) expect(await schemaIsThere(name)).toBe(false);
    expect(await rows('dropping')).toEqual([]);
    await end(t);
  });

  it('that a crash left half made are finished, and those that wait to be dropped are dropped', async () => {
    const t = await serve(api(2));
    const kit = await PlaceKit.open(database.prepared);
    const store = t.app.get(PlaceStore);
    const left = await store.plan({ kind: 'schema', server: 'default' });
    const doomed = await kit.make('schema');
    await store.condemn(doomed);
    await kit.close();
    await keep(t);
    expect(await spares()).toHaveLength(2);
    expect(await spares()).toContain(left.name);
    expect([await schemaIsThere(left.name), await schemaIsThere(doomed.name)]).toEqual([true, false]);
    expect(await rows('dropping')).toEqual([]);
    await end(t);
  });

  it('that somebody drops right now are left to them', async () => {
    const t = await serve(api(2));
    const run = await t.app.get(PlaceMigrations).begin();
    const { hold } = run as unknown as { hold: { take(place: unknown): Promise<boolean> } };
    const [name] = await spares();
    const place = { server: 'default', name: name! };
    expect(await hold.take(place)).toBe(true);
    await t.app.get(PlaceStore).condemn(place as never);
    await keep(t);
    expect((await rows('dropping')).map((row) => row.name)).toEqual([name]);
    await run.close();
    await keep(t);
    expect(await rows('dropping')).toEqual([]);
    await end(t);
  });

  it('that cannot be made are tried again later, and told of once', async () => {
    const address = (url: string): Buffer => seal(database.prepared.keys.derive('servers'), Buffer.from(url), 'away');
    await database.admin(`INSERT INTO platform.servers (name, url) VALUES ('away', $1)`, [
      address('postgres://postgres@127.0.0.1:1/away'),
    ]);
    const t = await serve(api(2));
    const told = () => logs!.filter((line) => line.includes('A place could not be made')).length;
    const due = () => database.admin('UPDATE platform.places SET retry_at = now() WHERE retry_at IS NOT NULL');
    await keep(t);
    expect(told()).toBe(2);
    expect((await rows('making')).map(({ failures }) => failures)).toEqual([1, 1]);
    expect(await spares()).toHaveLength(2);
    await due();
    await keep(t);
    expect((await rows('making')).map(({ failures, error }) => [failures, error])).toEqual([
      [2, expect.stringContaining('ECONNREFUSED')],
      [2, expect.stringContaining('ECONNREFUSED')],
    ]);
    expect(told()).toBe(2);
    await database.admin(`UPDATE platform.servers SET url = $1, shared_retry_at = NULL WHERE name = 'away'`, [
      address(database.adminUrl),
    ]);
    await due();
    await keep(t);
    expect(await spares()).toHaveLength(4);
    expect((await rows('spare')).map(({ failures }) => failures)).toEqual([0, 0, 0, 0]);
    const [server] = await database.admin(`SELECT * FROM platform.servers WHERE name = 'away'`);
    expect(server).toMatchObject({ shared_version: headOf(database.prepared.migrations), shared_error: null });
    await end(t);
  });

  it('that are behind are brought to head, and other places where workers are to do that', async () => {
    const later = release(database.prepared, [addsColumn('kept', 1_900_000_000_000)]);
    const versions = async (): Promise<string[]> => [
      ...new Set((await rows()).map(({ state, version }) => `${state} ${version.replace(/\d+$/, '')}`)),
    ];
    const off = await serve({ ...api(2), migratePlaces: false }, later);
    await keep(off);
    const before = headOf(database.prepared.migrations).replace(/\d+$/, '');
    expect((await versions()).sort()).toEqual(['spare Addkept', `used ${before}`]);
    await end(off);
    const on = await serve(api(2), later);
    await keep(on);
    expect((await versions()).sort()).toEqual(['spare Addkept', 'used Addkept']);
    await end(on);
  });
});
