import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ResourceStates } from '../../src/resources/index.js';
import { ErasureProver, PlaceStore, TenantLifecycle, TenantPurge } from '../../src/tenant/index.js';
import { runCommand } from '../kit/command-line.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, TENANT_DELETION_GRACE_DAYS: '0' });
  admin = await signInAdmin(t);
  await writeFile(path.join(t.database.env.dataDir, 'other.txt'), 'nothing of anybody');
});
afterAll(() => t.close());

/** What a process tells that used the mail server of the tenant just now. */
const statesOf = (id: string) => {
  const states = t.app.get(ResourceStates);
  states.note(id, 'mail_server', 'settings', undefined);
  return states.of(id);
};
const prove = (name: string) => t.app.get(ErasureProver).prove(name);

/** Makes a tenant that has written and was written to. */
async function lived(slug: string, isolation: string): Promise<string> {
  const settings = { 'chat.public': true, model: 'mock-1' };
  const made = await createTenant(admin, slug, { isolation, settings });
  expect(made.status, made.text).toBe(201);
  const { id } = await untilStatus(admin, slug, 'active', 'failed');
  const body = { tenant_id: slug, session_id: await t.session(slug), message: `my number is ${id}` };
  expect((await t.request('POST', '/chat', { body })).status).toBe(200);
  await vi.waitFor(async () => expect(await mailsOf(id)).toBeGreaterThan(0), { timeout: 15_000 });
  expect(await statesOf(id)).toHaveLength(1);
  return id;
}

async function mailsOf(id: string): Promise<number> {
  const folder = path.join(t.database.env.dataDir, 'mail');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.eml'));
  const texts = await Promise.all(names.map((name) => readFile(path.join(folder, name), 'latin1')));
  return texts.filter((text) => text.includes(id)).length;
}

async function erase(slug: string): Promise<void> {
  const lifecycle = t.app.get(TenantLifecycle);
  await lifecycle.apply(slug, 'archive');
  await lifecycle.scheduleDeletion(slug, slug);
  // What the platform is told of the deletion ends after it: it is looked again until there was nothing to erase.
  const looks = async () => {
    await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE purge_after IS NOT NULL');
    await t.app.get(TenantPurge).runDue();
    return t.database.admin('SELECT slug FROM platform.tenants WHERE purge_after IS NOT NULL');
  };
  await vi.waitFor(async () => expect(await looks()).toEqual([]), { timeout: 20_000 });
}

describe.each(['shared', 'schema', 'database'])('an erased tenant in a place of the kind %s', (isolation) => {
  it('has left nothing but its tombstone, and that is shown by looking everywhere', async () => {
    const slug = `doomed-${isolation}`;
    const id = await lived(slug, isolation);
    await expect(prove(slug)).rejects.toMatchObject({ code: 'tenant_not_erased' });
    await erase(slug);
    expect(await mailsOf(id)).toBe(0);
    expect(await statesOf(id)).toEqual([]);
    const proof = await prove(id);
    expect(proof).toMatchObject({ tenant: id, slug, proven: true, found: [], unread: [] });
    const tables = await t.database.admin<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_class WHERE relkind = 'r' AND relname <> 'migrations'
          AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('shared', 'platform', 'jobs'))`,
    );
    expect(proof.looked_through.tables).toBeGreaterThan(tables[0]!.n);
    expect(proof.looked_through.files).toBeGreaterThan(0);
    const kept = proof.kept.map(({ where }) => where.replace(/^\w+\./, ''));
    expect(kept.sort()).toEqual([
      'platform.audit_events',
      'platform.slugs',
      'platform.tenant_words',
      'platform.tenants',
      'shared.closures',
    ]);
  });
});

describe('the proof', () => {
  let id: string;
  beforeAll(async () => {
    id = await lived('planted', 'shared');
    await erase('planted');
  });

  const acme = `(SELECT id FROM platform.tenants WHERE slug = 'acme')`;
  const remains: [string, (id: string) => string, RegExp, string][] = [
    [
      'a row of its own',
      (own) => `INSERT INTO shared.sent_notices (tenant_id, id, sent_at) VALUES ('${own}', gen_random_uuid(), now())`,
      /shared\.sent_notices/,
      'DELETE FROM shared.sent_notices',
    ],
    [
      'its id in the settings of another',
      (own) => `UPDATE platform.servers SET region = '${own.toUpperCase()}'`,
      /platform\.servers/,
      'UPDATE platform.servers SET region = NULL',
    ],
    [
      'its id among bytes',
      (own) =>
        `INSERT INTO shared.outbox_events (tenant_id, id, type, payload, dead_at) SELECT ${acme}, gen_random_uuid(), 'x', convert_to('to ${own}!', 'UTF8'), now()`,
      /shared\.outbox_events/,
      `DELETE FROM shared.outbox_events WHERE type = 'x'`,
    ],
    [
      'its id as bytes',
      (own) =>
        `INSERT INTO shared.outbox_events (tenant_id, id, type, payload, dead_at) SELECT ${acme}, gen_random_uuid(), 'x', uuid_send('${own}'), now()`,
      /shared\.outbox_events/,
      `DELETE FROM shared.outbox_events WHERE type = 'x'`,
    ],
    [
      'the slug held for somebody',
      () =>
        `INSERT INTO platform.slug_holds (slug, holder, expires_at) VALUES ('planted', gen_random_uuid(), now() + interval '1 hour')`,
      /platform\.slug_holds/,
      'DELETE FROM platform.slug_holds',
    ],
  ];
  it.each(remains)('finds %s', async (_, plant, where, clear) => {
    expect((await prove('planted')).proven).toBe(true);
    await t.database.admin(plant(id));
    const proof = await prove('planted');
    await t.database.admin(clear);
    expect(proof.proven).toBe(false);
    expect(proof.found).toEqual([{ where: expect.stringMatching(where) as string, count: 1 }]);
  });

  it('finds a file with its id, across the pieces in which files are read', async () => {
    const file = path.join(t.database.env.dataDir, 'left.txt');
    await writeFile(file, `${'x'.repeat(65_520)}${id.replaceAll('-', '')}`);
    const { found, proven } = await prove('planted');
    expect([proven, found]).toEqual([false, [{ where: file, count: 1 }]]);
    await writeFile(file, '');
  });

  it('looks through schemas, databases and roles that nobody has, and names them', async () => {
    const name = `${t.database.prepared.roles.installation}_t_0123456789abcdef`;
    await t.database.admin(`CREATE ROLE ${name}; CREATE SCHEMA t_0123456789abcdef`);
    const { strays, proven } = await prove('planted');
    await t.database.admin(`DROP ROLE ${name}; DROP SCHEMA t_0123456789abcdef`);
    expect(strays).toEqual(expect.arrayContaining([`default role ${name}`, 'default schema t_0123456789abcdef']));
    expect(proven).toBe(true);
  });

  it('proves nothing where it cannot look', async () => {
    const place = await t.app.get(PlaceStore).plan({ kind: 'schema', server: 'default' });
    await t.database.admin(`CREATE SCHEMA ${place.name}; CREATE TABLE ${place.name}.closed (x int)`);
    const { proven, unread } = await prove('planted');
    await t.database.admin(
      `DROP SCHEMA ${place.name} CASCADE; DELETE FROM platform.places WHERE name = '${place.name}'`,
    );
    expect([proven, unread]).toEqual([false, [expect.stringContaining('closed') as string]]);
  });

  it('proves nothing while a table fails to be read or an archive is under way, and still reads the others', async () => {
    const folder = path.join(t.database.env.dataDir, 'archives');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'x.part'), 'compressed');
    await t.database.admin(
      'CREATE MATERIALIZED VIEW shared.unfilled AS SELECT 1 AS x WITH NO DATA; GRANT SELECT ON shared.unfilled TO PUBLIC',
    );
    const { proven, unread, looked_through: looked } = await prove('planted');
    await t.database.admin('DROP MATERIALIZED VIEW shared.unfilled');
    await rm(folder, { recursive: true });
    expect([proven, unread]).toEqual([
      false,
      [path.join(folder, 'x.part'), expect.stringContaining('unfilled') as string],
    ]);
    expect(looked.rows).toBeGreaterThan(0);
  });

  it('is printed by the command line, whose exit code says the same', async () => {
    const { dataDir, masterKey } = t.database.env;
    const env = { DATA_DIR: dataDir, DATABASE_URL: t.database.adminUrl, ...(masterKey && { MASTER_KEY: masterKey }) };
    const proven = await runCommand(env, 'tenants', 'prove-erased', 'planted');
    expect([proven.code, proven.stderr]).toEqual([0, '']);
    expect(proven.stdout).toContain('yes, proven');
    await writeFile(path.join(dataDir, 'left.txt'), id);
    const left = await runCommand(env, '--json', 'tenants', 'prove-erased', 'planted');
    expect(left.code).toBe(11);
    expect(left.json).toMatchObject({ proven: false, found: [{ count: 1 }] });
    expect((await runCommand(env, 'tenants', 'prove-erased', 'acme')).code).toBe(4);
  });
});
