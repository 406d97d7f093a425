import { TenantContext } from 'tenantry';
import { type ProductTest, startProductTest } from 'tenantry/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PetsService } from '../src/pets/index.js';
import { PETSTORE } from '../src/product.js';

// As a test of an application elsewhere is written: it has nothing but the package.
let t: ProductTest;
beforeAll(async () => {
  t = await startProductTest(PETSTORE, { LOG_LEVEL: 'info' });
});
afterAll(() => t?.close());

it("globex cannot read acme's pet, neither by HTTP nor in its own scope", async () => {
  const [acme, globex] = [await t.signIn('acme', 'member'), await t.signIn('globex', 'owner')];
  const added = await acme.send('POST', '/api/pets', { name: 'Rex', species: 'dog', breed: 'Labrador' });
  expect(added.status, added.text).toBe(201);
  const { id } = added.json as { id: string };
  expect((await acme.get(`/api/pets/${id}`)).json).toMatchObject({ name: 'Rex' });
  expect((await globex.get(`/api/pets/${id}`)).status).toBe(404);
  const found = (slug: string) => t.inTenant(slug, () => t.app.get(PetsService).find(id));
  expect(await found('acme')).toMatchObject({ name: 'Rex' });
  await expect(found('globex')).rejects.toMatchObject({ code: 'pet_not_found' });
  const slug = () => Promise.resolve(t.app.get(TenantContext).currentOrThrow().slug);
  expect(await t.inTenant('initech', slug)).toBe('initech');
});

it('the tenant is named by a host, too, and what happens is in the log', async () => {
  const { json } = await t.request('GET', '/api/adoptions', { headers: { host: `acme.localhost:${t.port}` } });
  expect(json.items).toMatchObject([{ name: 'Rex' }]);
  expect(t.logs.some((line) => line.includes('"tenant":"acme"') && line.includes('/api/adoptions'))).toBe(true);
});

it('who is no user is not signed in, and a tenant that is not there has no scope', async () => {
  await expect(t.signIn('acme', 'nobody')).rejects.toThrow('401');
  await expect(t.inTenant('umbrella', () => Promise.resolve())).rejects.toThrow('umbrella');
});
