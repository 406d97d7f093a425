import { setTimeout as sleep } from 'node:timers/promises';
import { TenantRunner, TenantTransaction } from 'tenantry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoundedExpressAdapter } from '../../../src/http/index.js';
import { download, PNG, upload } from '../../../test/kit/files.js';
import { placeKind } from '../../../test/kit/models.js';
import { ROOT_ENV, signInAdmin, type SignedInAdmin } from '../../../test/kit/platform.js';
import { signIn, type SignedIn } from '../../../test/kit/sign-in.js';
import { type Answer, createTestApp, type TestApp } from '../../../test/kit/test-app.js';
import { connectRaw } from '../../../test/kit/test-process.js';
import { PETSTORE } from '../src/product.js';
import { VaccinationReminders } from '../src/visits/vaccination.reminders.js';

/** How long a body may take, in ms, that is no slow upload. */
const BODY_MS = 1000;

let t: TestApp;
let root: SignedInAdmin;
let acme: SignedIn;
let globex: SignedIn;

beforeAll(async () => {
  const adapter = new BoundedExpressAdapter({ headers: 10_000, request: BODY_MS, checkEvery: 50 });
  t = await createTestApp(ROOT_ENV, false, adapter, PETSTORE);
  root = await signInAdmin(t);
  acme = await signIn(t, 'acme', 'owner');
  globex = await signIn(t, 'globex', 'owner');
});
afterAll(() => t?.close());

const told = ({ status, json }: Answer): unknown[] => [status, json.code];
const add = async (who: SignedIn, path: string, body: object): Promise<{ id: string; [name: string]: unknown }> => {
  const answer = await who.send('POST', path, body);
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
};
const dog = (name: string, more: object = {}) => ({ name, species: 'dog', breed: 'Labrador', ...more });
const addPet = (who: SignedIn, name: string, more: object = {}) => add(who, '/api/pets', dog(name, more));
const namesOf = (answer: Answer): string[] => answer.json.items.map(({ name }: { name: string }) => name);
const search = (tenant: string, query = '') =>
  t.request('GET', `/api/adoptions${query}`, { headers: { 'x-tenant-id': tenant } });
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

describe('a pet', () => {
  it('is added, read, changed by its ETag, and deleted', async () => {
    const created = await acme.send('POST', '/api/pets', dog('Rex', { born_on: '2024-05-01' }));
    expect(told(created)).toEqual([201, undefined]);
    const path = String(created.headers.location);
    expect(created.json).toMatchObject({ name: 'Rex', status: 'available', born_on: '2024-05-01', owner_id: null });
    const etag = String(created.headers.etag);
    expect((await t.request('GET', path, { headers: { ...acme.headers, 'if-none-match': etag } })).status).toBe(304);
    const patch = (ifMatch: string, body: object) =>
      t.request('PATCH', path, { headers: { ...acme.headers, 'if-match': ifMatch }, body });
    const both = await Promise.all([patch(etag, { name: 'Rexy' }), patch(etag, { name: 'Max' })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect(told(await patch(etag, { name: 'Late' }))).toEqual([412, 'revision_mismatch']);
    expect((await acme.send('PATCH', path, { born_on: null, status: 'reserved' })).json).toMatchObject({
      born_on: null,
      status: 'reserved',
    });
    expect((await acme.send('DELETE', path)).status).toBe(204);
    expect(told(await acme.get(path))).toEqual([404, 'pet_not_found']);
    expect(told(await acme.send('DELETE', path))).toEqual([404, 'pet_not_found']);
  });

  it('is refused with what is wrong, and told from others by no cursor of another tenant', async () => {
    const wrong = await acme.send('POST', '/api/pets', { name: '', species: 'dragon', breed: 'x', owner_id: 'nobody' });
    expect(wrong.status).toBe(422);
    expect(wrong.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/name',
      '/species',
      '/owner_id',
    ]);
    const foreign = await add(globex, '/api/owners', { name: 'Hank', email: 'hank@customers.example' });
    expect(told(await acme.send('POST', '/api/pets', dog('Rex', { owner_id: foreign.id })))).toEqual([
      422,
      'validation_failed',
    ]);
    for (const name of ['One', 'Two', 'Three']) await addPet(acme, name);
    const first = await acme.get('/api/pets?limit=2');
    expect(namesOf(first)).toEqual(['One', 'Two']);
    const cursor = encodeURIComponent(first.json.next_cursor);
    expect(namesOf(await acme.get(`/api/pets?limit=2&cursor=${cursor}`))).toEqual(['Three']);
    expect(told(await globex.get(`/api/pets?cursor=${cursor}`))).toEqual([422, 'cursor_invalid']);
    expect(told(await acme.get(`/api/owners?cursor=${cursor}`))).toEqual([422, 'cursor_invalid']);
  });

  it('that was deleted is read where include_deleted_pets says so, and nowhere else', async () => {
    const [gone, other] = [await addPet(acme, 'Ghost'), await addPet(globex, 'Spectre')];
    expect((await acme.send('DELETE', `/api/pets/${gone.id}`)).status).toBe(204);
    expect((await globex.send('DELETE', `/api/pets/${other.id}`)).status).toBe(204);
    const set = (value: unknown) => acme.send('PUT', '/api/config/include_deleted_pets', { value });
    expect((await set('perhaps')).status).toBe(422);
    expect((await set(true)).status).toBe(200);
    const deleted = await acme.get(`/api/pets/${gone.id}`);
    expect(deleted.json).toMatchObject({ name: 'Ghost', deleted_at: expect.any(String) });
    expect(namesOf(await acme.get('/api/pets'))).toContain('Ghost');
    expect((await globex.get(`/api/pets/${other.id}`)).status).toBe(404);
    expect(namesOf(await search('acme', '?q=Ghost'))).toEqual([]);
    expect((await set(false)).status).toBe(200);
    expect((await acme.get(`/api/pets/${gone.id}`)).status).toBe(404);
  });

  it('leaves what changed in the audit log of its tenant alone', async () => {
    const { id } = await addPet(acme, 'Ada');
    await acme.send('PATCH', `/api/pets/${id}`, { breed: 'Poodle' });
    const events = async (who: SignedIn) =>
      (await who.get('/api/audit?event=pet.changed')).json.items.filter(
        ({ target_id }: { target_id: string }) => target_id === id,
      );
    expect(await events(acme)).toMatchObject([{ before: { breed: 'Labrador' }, after: { breed: 'Poodle' } }]);
    expect(await events(globex)).toEqual([]);
  });
});

describe('the search for a pet', () => {
  it('answers for the tenant that host, path or header names', async () => {
    await addPet(acme, 'Hostess');
    await addPet(globex, 'Pathfinder');
    const asked = await Promise.all([
      t.request('GET', '/api/adoptions?q=st', { headers: { host: `acme.localhost:${t.port}` } }),
      t.request('GET', '/acme/api/adoptions?q=st'),
      search('acme', '?q=st'),
      t.request('GET', '/api/adoptions?q=path', { headers: { host: `globex.localhost:${t.port}` } }),
      t.request('GET', '/globex/api/adoptions?q=path'),
      search('globex', '?q=path'),
    ]);
    const [of, others] = [['Hostess'], ['Pathfinder']];
    expect(asked.map(namesOf)).toEqual([of, of, of, others, others, others]);
    const disagreeing = await t.request('GET', '/acme/api/adoptions', { headers: { 'x-tenant-id': 'globex' } });
    expect(disagreeing.status).toBe(404);
    expect((await t.request('GET', '/api/adoptions')).status).toBeGreaterThanOrEqual(400);
  });

  it('takes what is asked for as text, and shows no more than everybody may know', async () => {
    await addPet(acme, '100% Cat_fish');
    expect(namesOf(await search('acme', '?q=0%25%20cat_'))).toEqual(['100% Cat_fish']);
    expect(namesOf(await search('acme', '?q=a%25b'))).toEqual([]);
    const { items } = (await search('acme', '?q=fish&species=dog')).json;
    expect(Object.keys(items[0])).toEqual(['id', 'name', 'species', 'breed', 'born_on']);
    expect(namesOf(await search('acme', '?q=fish&species=bird'))).toEqual([]);
  });

  it('is kept for each tenant by itself, until a pet of that tenant changes', async () => {
    const bird = (name: string) => ({ name, species: 'bird', breed: 'Robin' });
    const { id } = await add(acme, '/api/pets', bird('Robin'));
    const birds = async (tenant: string) => namesOf(await search(tenant, '?species=bird'));
    expect([await birds('acme'), await birds('globex')]).toEqual([['Robin'], []]);
    // Past every layer, so that nobody hears of it: what is answered is what is kept.
    await t.database.admin(`UPDATE everywhere.pets SET name = 'Unheard' WHERE id = $1`, [id]);
    expect(await birds('acme')).toEqual(['Robin']);
    await add(globex, '/api/pets', bird('Wren'));
    expect([await birds('acme'), await birds('globex')]).toEqual([['Robin'], ['Wren']]);
    await acme.send('PATCH', `/api/pets/${id}`, { breed: 'Finch' });
    expect(await birds('acme')).toEqual(['Unheard']);
  });

  // It is about a table that tenants share.
  it.runIf(placeKind() === undefined)(
    'is bounded by the tenant first, as no index on a text serves there',
    async () => {
      const tenant = await t.tenant('initech');
      await t.database.admin(
        `INSERT INTO everywhere.pets (tenant_id, id, name, species, breed, status)
       SELECT t.id, gen_random_uuid(), 'pet ' || n, 'cat', 'breed ' || n, 'available'
         FROM platform.tenants t, generate_series(1, CASE t.slug WHEN 'initech' THEN 200 ELSE 5000 END) n`,
      );
      await t.database.admin('CREATE EXTENSION IF NOT EXISTS pg_trgm');
      await t.database.admin('CREATE INDEX pets_trigrams ON everywhere.pets USING gin (name gin_trgm_ops)');
      await t.database.admin('ANALYZE everywhere.pets');
      const explain = `EXPLAIN SELECT * FROM pets WHERE status = 'available' AND deleted_at IS NULL AND name ILIKE '%pet 17%' ORDER BY id LIMIT 51`;
      const asTenant = await t.app
        .get(TenantRunner)
        .run(tenant, () => t.app.get(TenantTransaction).query<object>(explain));
      const plan = asTenant.flatMap((row) => Object.values(row)).join('\n');
      expect(plan).toMatch(/Index Cond: .*tenant_id = /);
      expect(plan).not.toContain('pets_trigrams');
      const unbounded = await t.database.admin<Record<string, string>>(
        explain.replace('FROM pets', 'FROM everywhere.pets'),
      );
      expect(unbounded.flatMap((row) => Object.values(row)).join('\n')).toContain('pets_trigrams');
      expect((await search('initech', '?q=pet%20199')).json.items).toHaveLength(1);
      await t.database.admin(`DELETE FROM everywhere.pets WHERE name LIKE 'pet %'`);
    },
  );
});

describe('photos', () => {
  it('are what their bytes say, and open by a link that is good for their tenant alone', async () => {
    const { id } = await addPet(acme, 'Beauty');
    const path = `/api/pets/${id}/photos`;
    const send = (body: Buffer | string, name: string) =>
      t.request('POST', `${path}?name=${name}`, {
        headers: { ...acme.headers, 'content-type': 'image/png' },
        body,
      });
    expect(told(await send('<script>alert(1)</script>', 'rex.png'))).toEqual([415, 'file_type_refused']);
    const photo = await send(PNG, 'rex.png');
    expect(photo.json).toMatchObject({ media_type: 'image/png' });
    const url = new URL(photo.json.url);
    const route = url.pathname + url.search;
    expect((await download(t, route, { host: url.host })).bytes).toEqual(PNG);
    const elsewhere = await download(t, route.replace(/^\/acme/, '/globex'), {
      host: url.host.replace('acme', 'globex'),
    });
    expect(elsewhere.status).toBe(403);
    expect((await globex.get(path)).status).toBe(404);
    expect((await acme.get(path)).json.items).toHaveLength(1);
    expect((await acme.send('DELETE', `${path}/${photo.json.id}`)).status).toBe(204);
    expect((await acme.get(path)).json.items).toEqual([]);
    expect((await download(t, route, { host: url.host })).status).toBe(404);
  });

  it('may take longer than any other body while they come at a pace', async () => {
    const { id } = await addPet(acme, 'Slowpoke');
    const { socket, ...client } = await connectRaw(t.port);
    const head = [
      `POST /api/pets/${id}/photos?name=slow.png HTTP/1.1`,
      'Host: localhost',
      'Transfer-Encoding: chunked',
    ];
    const headers = Object.entries({ ...acme.headers, 'content-type': 'image/png' }).map((pair) => pair.join(': '));
    socket.write([...head, ...headers, '\r\n'].join('\r\n'));
    for (let n = 0; n < 5; n += 1) {
      const part = Buffer.alloc(0x10000, 'x');
      if (n === 0) PNG.copy(part);
      socket.write(Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]));
      await sleep(BODY_MS / 3);
    }
    socket.write('0\r\n\r\n');
    expect(await client.received(/\r\n\r\n[^]*\}/)).toMatch(/^HTTP\/1\.1 201 [^]*"media_type":"image\/png"/);
    socket.destroy();
  });
});

describe('visits', () => {
  it('lead to one reminder for each vaccination that is due, however often and by how many it is looked', async () => {
    const { id } = await addPet(acme, 'Patient');
    const visit = { visited_on: '2026-01-10', reason: 'Check' };
    const path = `/api/pets/${id}/visits`;
    await add(acme, path, { ...visit, vaccine: 'rabies', vaccination_due_on: inDays(3) });
    await add(acme, path, { ...visit, vaccine: 'flu', vaccination_due_on: inDays(100) });
    await add(acme, path, visit);
    expect(told(await acme.send('POST', path, { ...visit, vaccine: 'rabies' }))).toEqual([422, 'validation_failed']);
    const reminders = async (who: SignedIn) => (await who.get('/api/reminders')).json.items;
    expect((await acme.send('POST', '/api/reminders')).status).toBe(202);
    await expect.poll(() => reminders(acme)).toMatchObject([{ pet_id: id, vaccine: 'rabies', due_on: inDays(3) }]);
    const again = () =>
      t.app.get(VaccinationReminders).daily({ id: 'again', attempt: 1, signal: new AbortController().signal });
    const tenant = await t.tenant('acme');
    await add(acme, path, { ...visit, vaccine: 'distemper', vaccination_due_on: inDays(0) });
    await Promise.allSettled([1, 2, 3].map(() => t.app.get(TenantRunner).run(tenant, again)));
    await t.app.get(TenantRunner).run(tenant, again);
    expect((await reminders(acme)).map(({ vaccine }: { vaccine: string }) => vaccine)).toEqual(['distemper', 'rabies']);
    expect(await reminders(globex)).toEqual([]);
  });
});

describe('orders', () => {
  it('take from the stock once, whoever comes at the same time, and give back what is cancelled', async () => {
    const item = await add(acme, '/api/items', { name: 'Collar', price_minor: 1250, currency: 'EUR', stock: 3 });
    const stock = async () =>
      (await acme.get('/api/items')).json.items.find(({ id }: { id: string }) => id === item.id).stock as number;
    const order = (quantity: number, key?: string) =>
      t.request('POST', '/api/orders', {
        headers: { ...acme.headers, ...(key !== undefined && { 'idempotency-key': key }) },
        body: { item_id: item.id, quantity },
      });
    const key = '6f8d0f7e-1111-4222-8333-944455566677';
    const [once, twice] = [await order(1, key), await order(1, key)];
    expect(once.json).toMatchObject({ total_minor: 1250, currency: 'EUR', status: 'placed' });
    expect(twice.json).toEqual(once.json);
    expect(await stock()).toBe(2);
    const both = await Promise.all([order(2), order(2)]);
    expect(both.map((answer) => told(answer)).sort()).toEqual([
      [201, undefined],
      [409, 'out_of_stock'],
    ]);
    const act = (name: string) => acme.send('POST', `/api/orders/${once.json.id}/${name}`);
    expect(told(await act('deliver'))).toEqual([409, 'order_state_conflict']);
    expect((await act('approve')).json.status).toBe('approved');
    const cancels = await Promise.all([act('cancel'), act('cancel')]);
    expect(cancels.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await stock()).toBe(1);
    expect(told(await act('sell'))).toEqual([404, 'act_not_found']);
  });
});

describe('two tenants', () => {
  const PATHS = /^\/api\/(pets|owners|adoptions|visits|reminders|items|orders)\b/;

  it('are isolated on every route of the store', async () => {
    const secret = 'canary-of-acme';
    const owner = await add(acme, '/api/owners', { name: secret, email: 'canary@acme.example' });
    const pet = await addPet(acme, secret, { breed: secret, owner_id: owner.id });
    const photo = await upload(t, acme, `${secret}.png`, PNG);
    await add(acme, `/api/pets/${pet.id}/visits`, {
      visited_on: '2026-01-10',
      reason: secret,
      vaccine: secret,
      vaccination_due_on: inDays(1),
    });
    const item = await add(acme, '/api/items', { name: secret, price_minor: 1, currency: 'EUR', stock: 5 });
    const order = await add(acme, '/api/orders', { item_id: item.id, quantity: 1 });
    const state = async () =>
      Promise.all(
        ['pets', 'owners', 'items', 'orders', `pets/${pet.id}/visits`].map((list) => acme.get(`/api/${list}`)),
      );
    const before = (await state()).map(({ text }) => text);
    const ids = [pet.id, owner.id, item.id, order.id, photo.json.id];
    const { paths } = (await t.request('GET', '/openapi.json')).json as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      PATHS.test(path) ? Object.keys(methods).map((method) => [method.toUpperCase(), path] as const) : [],
    );
    expect(routes).toHaveLength(23);
    for (const [method, path] of routes) {
      for (const id of ids) {
        const route = path.replace('{act}', 'cancel').replaceAll(/\{\w+\}/g, id);
        const bodies = [{}, dog('Thief', { owner_id: id }), { item_id: id, quantity: 1 }];
        for (const body of method === 'GET' || method === 'DELETE' ? [undefined] : bodies) {
          const answer = await globex.send(method, route, body);
          expect(answer.text, `${method} ${route}`).not.toContain(secret);
          expect(answer.status, `${method} ${route} ${answer.text}`).toBeLessThan(500);
          if (path.includes('{')) expect([404, 415, 422], `${method} ${route}`).toContain(answer.status);
        }
        const unsigned = await t.request(method, route, { headers: { 'x-tenant-id': 'acme' } });
        if (!path.endsWith('/adoptions')) expect(unsigned.status, `${method} ${route}`).toBe(401);
      }
    }
    expect((await state()).map(({ text }) => text)).toEqual(before);
  });

  it('have a quota of searches each, by their plans', async () => {
    const set = (plan: string, value: number) =>
      root.send('PUT', `/api/admin/plans/${plan}/config/limits.adoption_searches_per_minute`, { value });
    expect((await set('premium', 2)).status).toBe(200);
    const statuses = async (tenant: string) => [
      (await search(tenant)).status,
      (await search(tenant)).status,
      (await search(tenant)).status,
    ];
    await expect.poll(async () => (await search('globex')).headers['ratelimit-policy']).toContain('adoption-searches');
    expect((await statuses('globex')).at(-1)).toBe(429);
    expect((await search('globex')).json.policy).toBe('adoption-searches');
    expect(await statuses('acme')).toEqual([200, 200, 200]);
  });
});
