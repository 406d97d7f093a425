import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let owner: SignedIn;
let admin: SignedIn;
let member: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  t = await createTestApp();
  [owner, admin, member, globex] = [
    await signIn(t, 'acme', 'owner'),
    await signIn(t, 'acme', 'admin'),
    await signIn(t, 'acme', 'member'),
    await signIn(t, 'globex', 'admin'),
  ];
});
afterAll(() => t.close());

const USERS = {
  properties: {
    plan: { type: 'string', enum: ['gold', 'silver'], title: 'Plan' },
    seats: { type: 'integer', minimum: 1, maximum: 100 },
    since: { type: 'string', format: 'date' },
    vip: { type: 'boolean' },
    tags: { type: 'array', items: { enum: ['eu', 'us', 'apac'] } },
    note: { type: 'string' },
  },
  required: ['plan'],
};
const SESSIONS = { properties: { topic: { type: 'string', maxLength: 50 }, mood: { type: 'integer' } } };

const declare = async (by: SignedIn, rows: 'users' | 'sessions', value: object) => {
  const answer = await by.send('PUT', `/api/config/fields.${rows}`, { value });
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.any(String)]);
};
let people = 0;
const add = (by: SignedIn, custom_fields?: unknown) =>
  by.send('POST', '/api/users', {
    email: `p${(people += 1)}@x.example`,
    name: `P ${people}`,
    role: 'member',
    custom_fields,
  });
const names = async (by: SignedIn, query: string): Promise<string[]> => {
  const { status, json } = await by.get(`/api/users?${query}`);
  return status === 200 ? json.items.map(({ name }: { name: string }) => name) : [json.code, json.errors[0].pointer];
};
const faults = ({ json }: { json: { code: string; errors: { pointer: string; rule: string }[] } }) => [
  json.code,
  ...json.errors.map(({ pointer, rule }) => `${pointer} ${rule}`),
];

describe('fields', () => {
  it('are declared by an admin, within bounds, with a history to restore from', async () => {
    expect((await member.send('PUT', '/api/config/fields.users', { value: USERS })).status).toBe(403);
    const refused = await admin.send('PUT', '/api/config/fields.users', {
      value: { properties: { plan: { type: 'string', pattern: '(a+)+$' } } },
    });
    expect([refused.status, refused.json.errors[0].detail]).toEqual([
      422,
      expect.stringContaining('/properties/plan/pattern is not a keyword'),
    ]);
    await declare(admin, 'users', { properties: { old: { type: 'string' } } });
    await declare(admin, 'users', USERS);
    const { json: history } = await admin.get('/api/config/fields.users/history');
    expect(history.items.map(({ after }: { after: object }) => after)).toEqual([
      USERS,
      { properties: { old: { type: 'string' } } },
    ]);
    const { json } = await admin.get('/api/config/fields.users');
    expect(json.schema.properties.properties.additionalProperties.properties.format.enum).toContain('email');
  });
});

describe("a user's fields", () => {
  it('are written by an admin as declared, and shown', async () => {
    const added = await add(admin, { plan: 'gold', seats: 5, vip: null });
    expect([added.status, added.json.custom_fields]).toEqual([201, { plan: 'gold', seats: 5 }]);
    const path = `/api/users/${added.json.id}`;
    const changed = await admin.send('PATCH', path, { custom_fields: { seats: null, tags: ['eu', 'us'] } });
    expect(changed.json.custom_fields).toEqual({ plan: 'gold', tags: ['eu', 'us'] });
    expect((await admin.get(path)).json).toEqual(changed.json);
    expect((await admin.send('PATCH', path, { name: 'Other' })).json.custom_fields).toEqual(changed.json.custom_fields);
    const [event] = await t.database.admin<{ before: object; after: object }>(
      `SELECT before, after FROM everywhere.audit_events WHERE event = 'user.changed' AND target_id = $1 ORDER BY id LIMIT 1`,
      [added.json.id],
    );
    expect([event?.before, event?.after]).toEqual([
      { custom_fields: { seats: 5 } },
      { custom_fields: { tags: ['eu', 'us'] } },
    ]);
  });

  it('are refused with field and rule, and nothing is written', async () => {
    const { json } = await add(admin, { plan: 'gold' });
    const path = `/api/users/${json.id}`;
    const bad = await admin.send('PATCH', path, { name: 'Not this', custom_fields: { plan: 'tin', seats: 101 } });
    expect([bad.status, ...faults(bad)]).toEqual([
      422,
      'invalid_custom_field',
      '/custom_fields/plan enum',
      '/custom_fields/seats maximum',
    ]);
    expect((await admin.get(path)).json.name).toBe(json.name);
    expect(faults(await add(admin))).toEqual(['invalid_custom_field', '/custom_fields/plan required']);
    expect(faults(await add(admin, { plan: 'gold', other: 1 }))).toEqual([
      'invalid_custom_field',
      '/custom_fields/other additionalProperties',
    ]);
    expect(faults(await admin.send('PATCH', path, { custom_fields: { plan: null } }))).toEqual([
      'invalid_custom_field',
      '/custom_fields/plan required',
    ]);
    for (const shape of ['gold', ['gold'], 7]) {
      expect((await admin.send('PATCH', path, { custom_fields: shape })).json.errors[0].pointer).toBe('/custom_fields');
    }
    expect((await member.send('PATCH', path, { custom_fields: { vip: true } })).status).toBe(403);
  });

  it('of acme are unknown at globex, which declares its own', async () => {
    expect(faults(await add(globex, { plan: 'gold' }))).toEqual([
      'invalid_custom_field',
      '/custom_fields/plan additionalProperties',
    ]);
    await declare(globex, 'users', { properties: { plan: { type: 'boolean' } } });
    expect((await add(globex, { plan: true })).json.custom_fields).toEqual({ plan: true });
    expect(await names(globex, 'custom_fields[plan]=true')).toHaveLength(1);
    expect(await names(globex, 'custom_fields[seats]=5')).toEqual([
      'invalid_custom_field_filter',
      '/custom_fields/seats',
    ]);
  });

  it('that are written at once are all kept', async () => {
    const { json } = await add(admin, { plan: 'gold' });
    const written = { seats: 7, since: '2031-01-01', vip: true, note: 'x', tags: ['eu'] };
    const answers = await Promise.all(
      Object.entries(written).map(([name, value]) =>
        admin.send('PATCH', `/api/users/${json.id}`, { custom_fields: { [name]: value } }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await admin.get(`/api/users/${json.id}`)).json.custom_fields).toEqual({ plan: 'gold', ...written });
  });
});

describe('the list of users', () => {
  it('is searched by fields, each by its type, in pages', async () => {
    const make = async (custom_fields: object) => (await add(admin, custom_fields)).json.name as string;
    const a = await make({ plan: 'silver', seats: 9, since: '2030-05-01', vip: true, tags: ['apac', 'eu'] });
    const b = await make({ plan: 'silver', seats: 20, since: '2030-12-31', vip: false, tags: ['apac'] });
    const c = await make({ plan: 'silver', note: `50% "off" 'x' \\` });
    expect(await names(admin, 'custom_fields[plan]=silver')).toEqual([a, b, c]);
    expect(await names(admin, 'custom_fields[plan]=silver&custom_fields[vip]=true')).toEqual([a]);
    expect(await names(admin, 'custom_fields[seats]=20')).toEqual([b]);
    expect(await names(admin, 'custom_fields[seats][gte]=9&custom_fields[seats][lte]=19')).toEqual([a]);
    expect(await names(admin, 'custom_fields[since][gte]=2030-05-02&custom_fields[plan]=silver')).toEqual([b]);
    expect(await names(admin, 'custom_fields[tags]=apac')).toEqual([a, b]);
    expect(await names(admin, 'custom_fields[tags]=apac&custom_fields[tags]=eu')).toEqual([a]);
    expect(await names(admin, `custom_fields[note]=${encodeURIComponent(`50% "off" 'x' \\`)}`)).toEqual([c]);
    expect(await names(admin, `custom_fields[plan]=silver&q=${encodeURIComponent(b)}`)).toEqual([b]);
    const first = await admin.get('/api/users?custom_fields[plan]=silver&limit=2');
    const rest = await names(admin, `custom_fields[plan]=silver&limit=2&cursor=${first.json.next_cursor}`);
    expect([first.json.items.length, rest]).toEqual([2, [c]]);
  });

  it.each([
    ['custom_fields[other]=1', 'other'],
    ['custom_fields[constructor]=1', 'constructor'],
    ['custom_fields=1', ''],
    ['custom_fields[seats]=many', 'seats'],
    ['custom_fields[seats]=', 'seats'],
    ['custom_fields[vip]=1', 'vip'],
    ['custom_fields[plan][gte]=a', 'plan'],
    ['custom_fields[seats][ne]=1', 'seats'],
    ['custom_fields[since]=2031-02-30', 'since'],
    ['custom_fields[note]=%00', 'note'],
    [`custom_fields[${encodeURIComponent("seats') OR (1=1")}]=1`, ''],
  ])('is not searched by %s', async (query, field) => {
    const { status, json } = await admin.get(`/api/users?${query}`);
    expect([status, json.code]).toEqual([400, 'invalid_custom_field_filter']);
    expect(json.errors[0].pointer.split('/')[2]).toContain(field);
    const many = Array.from({ length: 11 }, () => 'custom_fields[seats]=1').join('&');
    expect((await admin.get(`/api/users?${many}`)).status).toBe(400);
  });
});

describe('fields that are declared otherwise later', () => {
  it('keep the values that no longer fit until they are written, and hide those that are declared no more', async () => {
    const { json } = await add(owner, { plan: 'gold', seats: 50, note: 'keep me' });
    const path = `/api/users/${json.id}`;
    const { note: _, ...left } = USERS.properties;
    await declare(admin, 'users', {
      properties: { ...left, seats: { type: 'string' }, region: { type: 'string' } },
      required: ['plan', 'region'],
    });
    try {
      expect((await admin.get(path)).json.custom_fields).toEqual({ plan: 'gold', seats: 50 });
      expect(await names(admin, 'custom_fields[note]=x')).toEqual([
        'invalid_custom_field_filter',
        '/custom_fields/note',
      ]);
      await declare(admin, 'users', { properties: { ...USERS.properties, seats: { type: 'number' } } });
      expect((await admin.get(path)).json.custom_fields).toEqual({ plan: 'gold', seats: 50, note: 'keep me' });
      await declare(admin, 'users', { properties: { ...left, seats: { type: 'string', format: 'date' } } });
      expect(await names(admin, 'custom_fields[seats][gte]=2000-01-01')).toEqual([]);
      expect((await admin.send('PATCH', path, { custom_fields: { vip: true } })).json.custom_fields).toEqual({
        plan: 'gold',
        seats: 50,
        vip: true,
      });
    } finally {
      await declare(admin, 'users', USERS);
    }
    expect((await admin.get(path)).json.custom_fields).toEqual({ plan: 'gold', seats: 50, vip: true });
  });
});

describe("a chat session's fields", () => {
  it('are given by who opens it, changed by who may write in it, and searched for', async () => {
    await declare(admin, 'sessions', SESSIONS);
    const opened = await member.send('POST', '/session', { custom_fields: { topic: 'billing', mood: 3 } });
    expect(opened.status).toBe(201);
    const path = `/api/sessions/${opened.json.session_id}`;
    const { json } = await member.get(path);
    expect(json.custom_fields).toEqual({ topic: 'billing', mood: 3 });
    const changed = await member.send('PATCH', `/api/sessions/${json.id}`, {
      custom_fields: { mood: null, topic: 'bug' },
    });
    expect([changed.status, changed.json]).toEqual([200, { ...json, custom_fields: { topic: 'bug' } }]);
    expect((await member.get(path)).json).toEqual(changed.json);
    expect((await member.send('PATCH', path, {})).json).toEqual(changed.json);
    const search = async (by: SignedIn, query: string) =>
      (await by.get(`/api/sessions?${query}`)).json.items.map(({ id }: { id: string }) => id);
    expect(await search(member, 'custom_fields[topic]=bug')).toEqual([json.id]);
    expect(await search(admin, 'all=true&custom_fields[topic]=bug')).toEqual([json.id]);
    expect(await search(admin, 'custom_fields[topic]=bug')).toEqual([]);
    expect((await member.get('/api/sessions?custom_fields[plan]=x')).status).toBe(400);
    expect((await admin.send('PATCH', `/api/sessions/${json.id}`, { custom_fields: { topic: 'x' } })).status).toBe(404);
  });

  it('are a visitor’s to write in their own session, also under an idempotency key, as declared', async () => {
    const headers = { 'x-tenant-id': 'acme', 'idempotency-key': '5b7b6e0e-2b60-4a2f-9d5c-0d2a3c1f8e11' };
    const open = (custom_fields: object) => t.request('POST', '/session', { headers, body: { custom_fields } });
    expect(faults(await open({ topic: 7 }))).toEqual(['invalid_custom_field', '/custom_fields/topic type']);
    const opened = await open({ topic: 'first' });
    expect([opened.status, (await open({ topic: 'first' })).text]).toEqual([201, opened.text]);
    const path = `/api/sessions/${opened.json.session_id}`;
    const patch = (body: object, tenant = 'acme') =>
      t.request('PATCH', path, { headers: { 'x-tenant-id': tenant }, body });
    expect((await patch({ custom_fields: { mood: 1 } })).json.custom_fields).toEqual({ topic: 'first', mood: 1 });
    expect(faults(await patch({ custom_fields: { topic: 'x'.repeat(51) } }))).toEqual([
      'invalid_custom_field',
      '/custom_fields/topic maxLength',
    ]);
    expect((await patch({ custom_fields: { mood: 2 } }, 'globex')).status).toBe(403);
  });

  it('that are required are asked of whoever opens one', async () => {
    await declare(admin, 'sessions', { ...SESSIONS, required: ['topic'] });
    const answer = await t.request('POST', '/session', { body: { tenant_id: 'acme' } });
    expect(faults(answer)).toEqual(['invalid_custom_field', '/custom_fields/topic required']);
    expect((await t.request('POST', '/session', { body: { tenant_id: 'globex' } })).status).toBe(201);
    await declare(admin, 'sessions', SESSIONS);
  });
});

describe('fields of a person', () => {
  it('are in their download, whether declared still or not, and go from sessions that stay without them', async () => {
    const { id } = (await member.get('/api/auth/me')).json;
    await admin.send('PATCH', `/api/users/${id}`, { custom_fields: { plan: 'gold', note: 'met at the fair' } });
    const { session_id: session } = (await member.send('POST', '/session', { custom_fields: { topic: 'private' } }))
      .json;
    const { id: opened } = (await member.get(`/api/sessions/${session}`)).json;
    const { note: _, ...left } = USERS.properties;
    await declare(admin, 'users', { properties: left });
    await declare(admin, 'sessions', { properties: {} });
    const { json } = await member.get('/api/auth/me/data');
    expect(json.profile.custom_fields).toEqual({ plan: 'gold', note: 'met at the fair' });
    expect(json.sessions.find((it: { id: string }) => it.id === opened).custom_fields).toEqual({ topic: 'private' });
    const gone = await member.send('DELETE', '/api/auth/me', { password: 'demo-password' });
    expect(gone.status).toBe(204);
    const rows = await t.database.admin<{ custom_fields: object }>(
      'SELECT custom_fields FROM everywhere.chat_sessions WHERE id = $1',
      [opened],
    );
    expect(rows).toEqual([{ custom_fields: {} }]);
  });
});
