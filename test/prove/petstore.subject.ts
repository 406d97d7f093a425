import { PETSTORE } from '../../examples/petstore/src/product.js';
import { accessMap } from '../../src/auth/index.js';
import { PNG } from '../kit/files.js';
import { createTestApp } from '../kit/test-app.js';
import { TestJobsModule } from '../kit/test-jobs.js';
import { MAIN, must } from './main.subject.js';
import type { Subject, World } from './world.js';

const ROUTES = /^\/api\/(adoptions|items|orders|owners|pets|reminders)(\/|$)/;

/** An application by a stranger: its own routes, with all that is Tenantry's around them as full of canaries as ever. */
export const STORE: Subject = {
  ...MAIN,
  name: 'petstore',
  start: (env) =>
    createTestApp(env, false, undefined, { ...PETSTORE, modules: [...(PETSTORE.modules ?? []), TestJobsModule] }),
  proves: ({ path }) => ROUTES.test(path),
  keyed: ['POST /session', 'POST /api/orders'],
  // What a single layer keeps back is the same for whatever module; that its whole paths are seen is not.
  mutations: { shown: ({ kind, name }) => kind === 'whole path' && !name.startsWith('mail '), times: 5 },
  accessMap: ({ app }) => accessMap(app),
  fill: async (world, tenant) => {
    await MAIN.fill(world, tenant);
    await fillStore(world, tenant);
  },
  noCanaryIn: {
    ...MAIN.noCanaryIn,
    'orders.status': 'a word of the product',
    'pets.species': 'a word of the product',
    'pets.status': 'a word of the product',
  },
};

async function fillStore(world: World, tenant: string): Promise<void> {
  const { t, canaries } = world;
  const owner = await world.owner(tenant);
  const text = (where: string, open = false): string => canaries.text(tenant, where, open);
  const add = async (path: string, body: object): Promise<string> => {
    const { json } = must(await owner.send('POST', path, body));
    return (json as { id: string }).id;
  };
  const address = (where: string): string => `${text(where)}@mail.example`;
  const people = [];
  for (let n = 0; n < 2; n += 1) {
    people.push(await add('/api/owners', { name: text('owners.name'), email: address('owners.email') }));
  }
  const addPet = (open: boolean, more: object = {}): Promise<string> => {
    const [name, breed] = [text('pets.name', open), text('pets.breed', open)];
    return add('/api/pets', { name, breed, species: 'dog', ...more });
  };
  // The first of the list is the one that photos and visits are asked of.
  const pet = await addPet(false, { status: 'reserved', owner_id: people[0] });
  // Whoever names the tenant may know of those that wait for somebody.
  for (let n = 0; n < 2; n += 1) canaries.id(tenant, 'pets.id', await addPet(true), true);
  must(await owner.send('DELETE', `/api/pets/${await addPet(false)}`));
  for (let n = 0; n < 2; n += 1) {
    must(
      await t.request('POST', `/api/pets/${pet}/photos?name=${text('tenant_files.name')}.png`, {
        headers: { ...owner.headers, 'content-type': 'image/png' },
        // What comes after the end of a PNG is kept and means nothing.
        body: Buffer.concat([PNG, Buffer.from(text('a photo'))]),
      }),
    );
    const due = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    const visit = { visited_on: '2026-01-10', reason: text('visits.reason'), vaccine: text('visits.vaccine') };
    await add(`/api/pets/${pet}/visits`, { ...visit, vaccination_due_on: due });
  }
  must(await owner.send('POST', '/api/reminders'));
  while ((await owner.get('/api/reminders')).json.items.length === 0) await new Promise((done) => setTimeout(done, 50));
  for (let n = 0; n < 2; n += 1) {
    const item = { name: text('items.name'), price_minor: 1250, currency: 'EUR', stock: 1000 };
    const order = { item_id: await add('/api/items', item), quantity: 1, owner_id: people[1] };
    const id = await add('/api/orders', order);
    await t.database.admin('UPDATE everywhere.orders SET total_minor = $2 WHERE id = $1', [
      id,
      canaries.number(tenant, 'orders.total_minor'),
    ]);
  }
}
