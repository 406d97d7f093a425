import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelClient } from '../../src/chat/model.client.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { completes, refuse, startModel, type TestModel } from '../kit/test-model.js';

const KEY = 'key-of-acme';
const OPERATORS_KEY = 'key-of-the-operator';

describe('model servers', () => {
  let t: TestApp;
  let own: TestModel;
  let operators: TestModel;
  let owner: Record<'acme' | 'globex', SignedIn>;
  const set = async (slug: 'acme' | 'globex', settings: Record<string, unknown>) => {
    const answer = await owner[slug].send('PATCH', '/api/config', { settings });
    expect(answer.status, answer.text).toBe(200);
  };
  const say = (session: string, message: string, slug = 'acme') =>
    t.request('POST', '/chat', { body: { tenant_id: slug, session_id: session, message } });
  const chat = async (message: string, slug = 'acme') => say(await t.session(slug), message, slug);
  const health = async () => {
    const { items } = (await owner.acme.get('/api/resources')).json as { items: { name: string }[] };
    return items.find(({ name }) => name === 'model');
  };
  const check = async () => (await owner.acme.send('POST', '/api/resources/model/check')).json;

  beforeAll(async () => {
    own = await startModel(KEY);
    operators = await startModel(OPERATORS_KEY, '127.0.0.2');
    t = await createTestApp({
      OUTBOUND_ALLOW: '127.0.0.1/32',
      MODEL_BASE_URL: operators.url,
      MODEL_API_KEY: OPERATORS_KEY,
      MODEL_NAMES: 'small,large',
    });
    owner = { acme: await signIn(t, 'acme', 'owner'), globex: await signIn(t, 'globex', 'owner') };
  });
  beforeEach(async () => {
    own.answer = operators.answer = undefined;
    own.calls.length = operators.calls.length = 0;
    await set('acme', { model: 'acme-1', 'model.base_url': own.url, 'model.api_key': KEY });
    await set('globex', { model: 'mock-1', 'model.base_url': null, 'model.api_key': null });
  });
  afterAll(async () => {
    await t.close();
    await own.close();
    await operators.close();
  });

  it('answer acme by its own server, with its own key, and are told the session so far', async () => {
    const session = await t.session('acme');
    const first = await say(session, 'hello');
    expect([first.status, first.json]).toEqual([
      200,
      { tenant_id: 'acme', session_id: session, reply: 'You said: hello', model: 'acme-1', mock: false },
    ]);
    await say(session, 'and now?');
    expect(own.calls).toEqual([
      { authorization: `Bearer ${KEY}`, model: 'acme-1', messages: [{ role: 'user', content: 'hello' }] },
      {
        authorization: `Bearer ${KEY}`,
        model: 'acme-1',
        messages: [
          { role: 'user', content: 'hello' },
          { role: 'assistant', content: 'You said: hello' },
          { role: 'user', content: 'and now?' },
        ],
      },
    ]);
    expect((await chat('of another session')).status).toBe(200);
    expect(own.calls.at(-1)?.messages).toEqual([{ role: 'user', content: 'of another session' }]);
    expect(operators.calls).toEqual([]);
    expect(await health()).toMatchObject({ state: 'ok' });
  });

  it('are told no more of a long session than fits', async () => {
    const session = await t.session('acme');
    for (let turn = 0; turn < 12; turn += 1) await say(session, `message ${turn}`);
    expect(own.calls.at(-1)?.messages).toHaveLength(21);
    expect(own.calls.at(-1)?.messages[0]).toEqual({ role: 'user', content: 'message 1' });
    const long = 'x'.repeat(30_000);
    for (const message of [long, long, 'short']) expect((await say(session, message)).status).toBe(200);
    expect(own.calls.at(-1)?.messages.map(({ content }) => content.length)).toEqual([30_000, 30_010, 5]);
  });

  it("answer globex by the operator's server, which may be where tenants may not go, with the models it offers", async () => {
    await set('globex', { model: 'small' });
    const answer = await chat('hello', 'globex');
    expect([answer.status, answer.json.reply, answer.json.mock]).toEqual([200, 'You said: hello', false]);
    expect(operators.calls[0]?.authorization).toBe(`Bearer ${OPERATORS_KEY}`);

    await set('globex', { model: 'dear' });
    expect((await chat('hello', 'globex')).json.code).toBe('model_unavailable');
    expect(operators.calls).toHaveLength(1);
    // With a key of its own it pays itself.
    await set('globex', { 'model.api_key': 'key-of-globex' });
    expect((await chat('hello', 'globex')).status).toBe(503);
    expect(operators.calls[1]).toMatchObject({ authorization: 'Bearer key-of-globex', model: 'dear' });
    expect(own.calls).toEqual([]);
  });

  it("never get the operator's key where the tenant names the server", async () => {
    await set('acme', { 'model.api_key': null });
    expect((await chat('hello')).status).toBe(503);
    expect(own.calls.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it("tell acme's admin what is wrong and the visitor that it cannot answer now, and harm nobody else", async () => {
    await set('acme', { 'model.api_key': 'wrong-key' });
    const answer = await chat('a private question');
    expect([answer.status, answer.json.code]).toEqual([503, 'model_unavailable']);
    expect(answer.text).not.toMatch(/key|said-by-the-peer/);
    const refused = { state: 'failing', last_error: 'The model server refused the key.' };
    expect(await health()).toMatchObject(refused);
    expect(await check()).toMatchObject(refused);
    expect((await chat('hello', 'globex')).json).toMatchObject({ mock: true });

    await set('acme', { 'model.api_key': KEY });
    expect(await check()).toMatchObject({ state: 'ok', last_error: null });
    expect((await chat('hello')).status).toBe(200);
    expect(t.logs.join('')).not.toMatch(/wrong-key|key-of-acme|said-by-the-peer|a private question/);
  });

  it.each([
    [404, 'The model server does not know the model, or is not at model.base_url.'],
    [429, 'The model server takes no more requests of this key for now.'],
    [400, 'The model server did not take the request (400).'],
    [502, 'The model server failed (502).'],
    [302, 'The model server is elsewhere: it answers with a redirect.'],
  ])('are asked once when they answer %i', async (status, told) => {
    own.answer = (response) => refuse(response, status);
    expect((await chat('hello')).status).toBe(503);
    expect(await health()).toMatchObject({ state: 'failing', last_error: told });
    expect(own.calls).toHaveLength(1);
  });

  it('may answer nonsense, nothing, too much or not at all, and what cannot be stored', async () => {
    const answers: [string, NonNullable<TestModel['answer']>][] = [
      ['does not speak the OpenAI API', (response) => response.writeHead(200).end('<html>')],
      ['answered nothing', (response) => completes(response, ' ')],
      ['answered more than is read', (response) => completes(response, 'x'.repeat(300 * 1024))],
      ['cannot be reached', (response) => response.socket?.destroy()],
    ];
    for (const [told, answer] of answers) {
      own.answer = answer;
      expect([told, (await chat('hello')).status]).toEqual([told, 503]);
      expect(await health()).toMatchObject({ state: 'failing', last_error: expect.stringContaining(told) });
    }
    own.answer = (response) => completes(response, 'a\0b\ud800c');
    const answer = await chat('hello');
    expect([answer.status, answer.json.reply]).toEqual([200, 'ab\ufffdc']);
  });

  it('are given up when they are silent', async () => {
    const silent = await startModel();
    try {
      silent.answer = () => undefined;
      const client = await ModelClient.open({ model: 'acme-1', baseUrl: silent.url, apiKey: KEY, fetch });
      await expect(client.check(AbortSignal.timeout(50))).rejects.toMatchObject({
        name: 'ModelFailure',
        reason: 'The model server did not answer in time.',
      });
      const gone = new Error('whoever asked has gone');
      await expect(client.check(AbortSignal.abort(gone))).rejects.toBe(gone);
    } finally {
      await silent.close();
    }
  });

  it('are reached at no address that the operator does not allow', async () => {
    const { port } = own;
    for (const host of ['127.0.0.2', '10.0.0.1', '[::1]', '2130706434']) {
      await set('acme', { 'model.api_key': KEY, 'model.base_url': `http://${host}:${port}/v1` });
      expect((await chat('hello')).status).toBe(503);
      expect(await health()).toMatchObject({
        state: 'failing',
        last_error: expect.stringMatching(/^The host ".+" has no address that may be connected to\.$/),
      });
    }
    expect(own.calls).toEqual([]);
    for (const value of ['ftp://x', 'https://me:secret@x', 'https://x/?a=b', 'x', `https://${'x'.repeat(300)}`]) {
      const answer = await owner.acme.send('PUT', '/api/config/model.base_url', { value });
      expect([value, answer.status]).toEqual([value, 422]);
    }
    const admin = await signIn(t, 'acme', 'admin');
    const answer = await admin.send('PUT', '/api/config/model.base_url', { value: 'https://models.acme.example/v1' });
    expect(answer.json.code).toBe('setting_not_yours');
  });
});
