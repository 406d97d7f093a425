import type { Field } from '../module.fields.js';
import { withArticle } from '../module.names.js';
import type { ModuleShape } from '../module.shape.js';

export function spec({ names, fields }: ModuleShape): string {
  const { plural, code, word, words } = names;
  const one = withArticle(word);
  const values = (of: (field: Field) => string) => fields.map((field) => `${field.name}: ${of(field)}`).join(', ');
  const [first] = fields as [Field, ...Field[]];
  return `import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let member: SignedIn;
let viewer: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  t = await createTestApp();
  [member, viewer, globex] = [
    await signIn(t, 'acme', 'member'),
    await signIn(t, 'acme', 'viewer'),
    await signIn(t, 'globex', 'admin'),
  ];
});
afterAll(() => t?.close());

const VALUES = { ${values(({ type }) => type.good)} };
const OTHERS = { ${values(({ type }) => type.other)} };
const BAD = { ${values(({ type }) => type.bad)} };

const path = (id: string) => \`/api/${plural}/\${id}\`;
const add = async (by: SignedIn, values: object = VALUES) => {
  const answer = await by.send('POST', '/api/${plural}', values);
  expect(answer.status, answer.text).toBe(201);
  return answer;
};
const told = ({ status, json }: { status: number; json: { code?: string } }) => [status, json.code];

describe('${one} of acme', () => {
  it('is added, found, changed and deleted by a member', async () => {
    const made = await add(member);
    expect(made.json).toMatchObject({ ...VALUES, etag: '"r1"' });
    expect(made.headers).toMatchObject({ location: path(made.json.id), etag: '"r1"' });
    expect((await member.get(path(made.json.id))).json).toEqual(made.json);
    const changed = await member.send('PATCH', path(made.json.id), OTHERS);
    expect(changed.json).toMatchObject({ ...made.json, ...OTHERS, etag: '"r2"', updated_at: expect.any(String) });
    expect((await member.send('PATCH', path(made.json.id), {})).json).toMatchObject(OTHERS);
    expect((await member.send('DELETE', path(made.json.id))).status).toBe(204);
    expect(told(await member.get(path(made.json.id)))).toEqual([404, '${code}_not_found']);
  });

  it('is read by a viewer, and changed by none', async () => {
    const { id } = (await add(member)).json;
    expect((await viewer.get(path(id))).status).toBe(200);
    expect(told(await viewer.send('POST', '/api/${plural}', VALUES))).toEqual([403, 'permission_missing']);
    expect(told(await viewer.send('PATCH', path(id), OTHERS))).toEqual([403, 'permission_missing']);
    expect(told(await viewer.send('DELETE', path(id)))).toEqual([403, 'permission_missing']);
  });

  it('is nothing to globex', async () => {
    const { id } = (await add(member)).json;
    const own = (await add(globex)).json;
    expect((await globex.get('/api/${plural}')).json.items).toEqual([own]);
    for (const answer of [
      await globex.get(path(id)),
      await globex.send('PATCH', path(id), OTHERS),
      await globex.send('DELETE', path(id)),
    ])
      expect(told(answer)).toEqual([404, '${code}_not_found']);
    expect((await member.get(path(id))).json).toMatchObject(VALUES);
  });

  it('is refused with every field at fault', async () => {
    const refused = await member.send('POST', '/api/${plural}', BAD);
    expect(told(refused)).toEqual([422, 'validation_failed']);
    const pointers = refused.json.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers.sort()).toEqual(Object.keys(BAD).map((name) => \`/\${name}\`).sort());
    const { id } = (await add(member)).json;
    expect(told(await member.send('PATCH', path(id), { ${first.name}: BAD.${first.name} }))).toEqual([422, 'validation_failed']);
    expect((await member.get(path(id))).json).toMatchObject({ ...VALUES, etag: '"r1"' });
  });

  it('is changed by one of two who saw the same, and each of two who do not ask', async () => {
    const { id } = (await add(member)).json;
    const change = (headers: object) =>
      t.request('PATCH', path(id), { headers: { ...member.headers, ...headers }, body: OTHERS });
    const seen = { 'if-match': '"r1"' };
    const statuses = (await Promise.all([change(seen), change(seen)])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412]);
    expect((await Promise.all([change({}), change({})])).map(({ status }) => status)).toEqual([200, 200]);
    const late = await t.request('DELETE', path(id), { headers: { ...member.headers, ...seen } });
    expect(told(late)).toEqual([412, 'revision_mismatch']);
    expect((await member.get(path(id))).headers.etag).toBe('"r4"');
  });
});

it('${words} come in pages, newest first, whose cursor is of no use to another tenant', async () => {
  const made: string[] = [];
  for (let n = 0; n < 3; n += 1) made.unshift((await add(member)).json.id);
  const first = (await member.get('/api/${plural}?limit=2')).json;
  const ids = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id);
  expect(ids(first)).toEqual(made.slice(0, 2));
  const next = \`/api/${plural}?limit=2&cursor=\${encodeURIComponent(first.next_cursor)}\`;
  expect(ids((await member.get(next)).json)[0]).toBe(made[2]);
  expect(told(await globex.get(next))).toEqual([422, 'cursor_invalid']);
});
`;
}
