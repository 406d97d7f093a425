import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headOf, tenantMigrations } from '../../src/database/index.js';
import { type Place, schemaOf } from '../../src/tenant/index.js';
import { runCommand, startCommand } from '../kit/command-line.js';
import { earlier, PlaceKit } from '../kit/place-kit.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';
import { testEnv, withDatabase } from '../kit/test-env.js';

const SCHEMAS = 30;
const DATABASES = 3;
const ALL = SCHEMAS + DATABASES;
const MINUTES = 4 * 60_000;
/** Of the newest migrations, how many the places lack. */
const LACKED = 2;

/** Every change of structure takes a while and leaves a note of itself, which is kept if its transaction commits. */
const SLOW = `
CREATE TABLE public.notes (id bigint GENERATED ALWAYS AS IDENTITY, tag text, object text, migrator int);
CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 'public.%') THEN
    INSERT INTO public.notes (tag, object, migrator)
      SELECT command_tag, object_identity, pg_backend_pid() FROM pg_event_trigger_ddl_commands();
    PERFORM pg_sleep(0.04);
  END IF;
END $$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION public.note()`;

let database: TestDatabase;
let kit: PlaceKit;
let places: Place[];
let head: string;
/** What the migrations do to one place of each kind that nothing happens to. */
let expected: Record<string, string[]>;
beforeAll(async () => {
  database = await createTestDatabase();
  head = headOf(database.prepared.migrations);
  const old = await PlaceKit.open(earlier(database.prepared, LACKED));
  kit = await PlaceKit.open(database.prepared);
  places = [];
  for (let n = 0; n <= SCHEMAS; n += 1) places.push(await old.make('schema'));
  for (let n = 0; n <= DATABASES; n += 1) places.push(await old.make('database'));
  await old.close();
  await database.admin(`UPDATE platform.places SET state = 'used', tenant_id = gen_random_uuid()`);
  const urls = places.filter(({ kind }) => kind === 'database').map(({ name }) => at(name));
  for (const url of [database.adminUrl, ...urls]) await runSql(url, SLOW);
  expected = {};
  for (const undisturbed of [places.shift()!, places.pop()!]) {
    await kit.migrateOne(undisturbed);
    expected[undisturbed.kind] = await notesOf(undisturbed);
  }
}, MINUTES);
afterAll(async () => {
  await kit.close();
  await database.drop();
});

const at = (name: string) => withDatabase(database.adminUrl, name);
const urlOf = ({ kind, name }: Place) => (kind === 'database' ? at(name) : database.adminUrl);

/** What was done to a place and is there to stay, in its order. */
async function notesOf(place: Place): Promise<string[]> {
  const schema = schemaOf(place);
  const rows = await runSql(
    urlOf(place),
    `SELECT tag || ' ' || replace(object, $1 || '.', '') AS done FROM public.notes
      WHERE object = $1 OR strpos(object, $1 || '.') > 0 ORDER BY id`,
    [schema],
  );
  return (rows as { done: string }[]).map(({ done }) => done);
}

async function ledgerOf(place: Place): Promise<string[]> {
  const rows = await runSql(urlOf(place), `SELECT name FROM ${schemaOf(place)}.migrations ORDER BY id`);
  return (rows as { name: string }[]).map(({ name }) => name);
}

const entries = () =>
  database.admin<{ name: string; version: string; held_by: number | null; error: string | null; ended: boolean }>(
    `SELECT name, version, held_by, error, migration_ended_at IS NOT NULL AS ended FROM platform.places`,
  );
const done = async () => (await entries()).filter(({ version }) => version === head).length - 2;
const env = () =>
  testEnv({
    DATABASE_URL: database.adminUrl,
    MASTER_KEY: database.env.masterKey,
    DATA_DIR: database.env.dataDir,
  });
const start = (parallel: number) => startCommand(env(), 'migrate', '--parallel', String(parallel), '--json');

/** Kills a migrating process, as it is, once so many places are done. */
async function killedAt(count: number): Promise<void> {
  const { child, outcome } = start(3);
  await expect.poll(done, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(count);
  child.kill('SIGKILL');
  await outcome;
  expect(child.signalCode).toBe('SIGKILL');
  const left = await entries();
  expect(left.filter(({ held_by }) => held_by !== null).length).toBeGreaterThan(0);
  expect(left.filter(({ version }) => version !== head).length).toBeGreaterThan(0);
}

describe('tenantry migrate, a process', { timeout: MINUTES }, () => {
  it('that is killed half-way leaves what a rerun finishes, and says so', async () => {
    await killedAt(4);
    const status = await runCommand(env(), 'migrate', 'status', '--json');
    const versions = status.json.versions as { version: string; places: number }[];
    const behind = versions.filter(({ version }) => version !== head).reduce((sum, { places: n }) => sum + n, 0);
    expect([status.code, behind]).toEqual([0, ALL - (await done())]);
    await killedAt(12);
    const before = await done();
    expect(before).toBeLessThan(ALL);
    // Whatever the control plane takes for done is done.
    for (const { name } of (await entries()).filter(({ version }) => version === head)) {
      const place = places.find((one) => one.name === name);
      if (place) expect((await ledgerOf(place)).at(-1)).toBe(head);
    }
  });

  it('and another one started at the same moment share the rest, and the death of a third is no harm', async () => {
    const before = await done();
    const [third, one, other] = [start(1), start(1), start(1)];
    await expect.poll(done, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(before + 3);
    third.child.kill('SIGKILL');
    await third.outcome;
    const outcomes = await Promise.all([one.outcome, other.outcome]);
    expect(outcomes.map(({ code, json }) => [code, json.left])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    for (const { json } of outcomes) expect(json.migrated).toBeGreaterThan(0);
    expect(await done()).toBe(ALL);
  });

  it('has applied everything to each place once, and written that down', async () => {
    const names = tenantMigrations(database.prepared.migrations).map((Migration) => new Migration().name);
    for (const steps of Object.values(expected)) expect(steps.length).toBeGreaterThan(5);
    for (const place of places) {
      expect([place.name, await notesOf(place)]).toEqual([place.name, expected[place.kind]]);
      expect([place.name, await ledgerOf(place)]).toEqual([place.name, names]);
    }
    for (const entry of await entries()) {
      expect(entry).toMatchObject({ version: head, held_by: null, error: null, ended: true });
    }
    const again = await runCommand(env(), 'migrate', '--json');
    expect([again.code, again.json]).toMatchObject([0, { migrated: 0, left: 0, failed: [] }]);
  });
});
