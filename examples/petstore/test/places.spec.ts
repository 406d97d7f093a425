import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { TenantRunner } from 'tenantry';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CopyIds, ErasureProver, TenantExporter, TenantImporter } from '../../../src/tenant/index.js';
import { download, PNG, storedFiles } from '../../../test/kit/files.js';
import { fillTables, rowsOf } from '../../../test/kit/filled-tables.js';
import { move } from '../../../test/kit/moves.js';
import { ROOT_ENV, signInAdmin, type SignedInAdmin } from '../../../test/kit/platform.js';
import { signInAs } from '../../../test/kit/sign-in.js';
import { createTestApp, type TestApp } from '../../../test/kit/test-app.js';
import { whatIsLeft } from '../../../test/kit/what-is-left.js';
import { PETSTORE } from '../src/product.js';
import { eraseAtOnce } from '../../../test/kit/tenants.js';

/** What the store has of a tenant. Nothing in it says how that is archived, moved or erased. */
const TABLES = ['owners', 'pets', 'pet_photos', 'visits', 'reminders', 'items', 'orders'];
const PASSPHRASE = 'nine green umbrellas in the rain';

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp({ ...ROOT_ENV, TENANT_DELETION_GRACE_DAYS: '0' }, false, undefined, PETSTORE);
  admin = await signInAdmin(t);
  const owner = await ownerAt('acme');
  const pet = await owner.send('POST', '/api/pets', { name: 'Portrayed', species: 'cat', breed: 'Siamese' });
  const headers = { ...owner.headers, 'content-type': 'image/png' };
  await t.request('POST', `/api/pets/${pet.json.id}/photos?name=cat.png`, { headers, body: PNG });
  await fillTables(t, 'acme');
});
afterAll(() => t?.close());

const ownerAt = (slug: string) => signInAs(t, slug, 'owner@acme.example', 'demo-password');

async function rowsOfStore(slug: string) {
  const rows = await rowsOf(t, slug);
  return Object.fromEntries(TABLES.map((table) => [table, rows[table]]));
}

/** The photo of the one pet that has one, as a browser gets it. */
async function photoAt(slug: string): Promise<Buffer> {
  const owner = await ownerAt(slug);
  const pets = (await owner.get('/api/pets?limit=100')).json.items as { id: string; name: string }[];
  const { id } = pets.find(({ name }) => name === 'Portrayed')!;
  const url = new URL((await owner.get(`/api/pets/${id}/photos`)).json.items[0].url);
  return (await download(t, url.pathname + url.search, { host: url.host })).bytes;
}

it('an archive of acme has all of its store, and becomes that of a new tenant, with other ids', async () => {
  const { id: from } = await t.tenant('acme');
  const before = await rowsOfStore('acme');
  for (const table of TABLES) expect(before[table]?.length, table).toBeGreaterThanOrEqual(3);
  const file = path.join(t.database.env.dataDir, 'acme.tenant');
  const sealer = { passphrase: PASSPHRASE };
  await t.app.get(TenantExporter).write(from, createWriteStream(file), { sealer });
  const taken = await t.app
    .get(TenantRunner)
    .runAsPlatform('test', () => t.app.get(TenantImporter).run({ file, sealer, slug: 'acme-two' }));
  const ids = new CopyIds(taken.tenant.id);
  const renamed = (column: string, value: string | null): string | null => {
    if (column === 'tenant_id') return taken.tenant.id;
    return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value ?? '') ? ids.of(value!) : value;
  };
  const expected = Object.entries(before).map(([table, rows]) => [
    table,
    rows!.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, renamed(name, value)]))),
  ]);
  expect(await rowsOfStore('acme-two')).toEqual(Object.fromEntries(expected));
  expect(await photoAt('acme-two')).toEqual(PNG);
});

it.each(['schema', 'database', 'shared'])('acme moves to %s with all of its store', async (isolation) => {
  const before = await rowsOfStore('acme');
  expect(await move(admin, 'acme', { isolation })).toMatchObject({ state: 'done' });
  expect((await t.tenant('acme')).placement.kind).toBe(isolation);
  expect(await rowsOfStore('acme')).toEqual(before);
  expect(await photoAt('acme')).toEqual(PNG);
});

it('once acme is erased there is nothing of its store, and all of that of the tenant made of its archive', async () => {
  const { id } = await t.tenant('acme');
  const other = await rowsOfStore('acme-two');
  expect(Object.keys(await whatIsLeft(t.database, id))).toEqual(
    expect.arrayContaining(TABLES.map((table) => `shared.${table}`)),
  );
  await eraseAtOnce(t, 'acme');
  expect(await whatIsLeft(t.database, id)).toEqual({});
  expect(await storedFiles(t, id)).toEqual([]);
  expect(await t.app.get(ErasureProver).prove(id)).toMatchObject({ proven: true, found: [] });
  expect(await rowsOfStore('acme-two')).toEqual(other);
  expect(await photoAt('acme-two')).toEqual(PNG);
});
