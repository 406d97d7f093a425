import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RatesModule } from '../kit/example-module.js';
import { ROOT_ENV, signInAdmin, type SignedInAdmin } from '../kit/platform.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let root: SignedInAdmin;
let acme: SignedIn;
let globex: SignedIn;
const asked: string[] = [];
const peer = http.createServer((request, response) => {
  asked.push(`${request.headers.authorization} ${request.url}`);
  response.statusCode = request.headers.authorization === 'Bearer sesame' ? 200 : 401;
  response.end('1.25');
});

beforeAll(async () => {
  await new Promise<void>((done) => peer.listen(0, '127.0.0.1', done));
  t = await createTestApp({ ...ROOT_ENV, OUTBOUND_ALLOW: '127.0.0.0/8' }, false, undefined, { modules: [RatesModule] });
  root = await signInAdmin(t);
  acme = await signIn(t, 'acme', 'owner');
  globex = await signIn(t, 'globex', 'owner');
});
afterAll(async () => {
  await t?.close();
  peer.close();
});

const rate = (of: SignedIn, currency: string) => of.get(`/api/rates/${currency}`);
const told = ({ status, json }: { status: number; json: { code?: string } }) => [status, json.code];
const set = async (by: Pick<SignedIn, 'send'> | SignedInAdmin, path: string, value: unknown): Promise<void> => {
  const answer = await by.send('PUT', path, { value });
  expect(answer.status, answer.text).toBe(200);
};

describe('the module that docs/modules.md shows', () => {
  it('answers the tenants whose plan or own settings turn it on', async () => {
    expect(told(await rate(acme, 'usd'))).toEqual([403, 'feature_not_in_plan']);
    for (const slug of ['acme', 'globex']) await set(root, `/api/admin/tenants/${slug}/config/features.rates`, true);
    expect(told(await rate(acme, 'usd'))).toEqual([503, 'resource_unavailable']);
  });

  it("asks acme's server with acme's token, once for all who ask within a minute", async () => {
    await set(acme, '/api/config/rates.url', `http://127.0.0.1:${(peer.address() as AddressInfo).port}`);
    await set(acme, '/api/config/rates.token', 'sesame');
    const answers = await Promise.all([rate(acme, 'usd'), rate(acme, 'usd'), rate(acme, 'usd')]);
    for (const { json } of answers) expect(json).toEqual({ currency: 'usd', rate: 1.25 });
    expect(asked).toEqual(['Bearer sesame /usd']);
    expect(told(await rate(globex, 'usd'))).toEqual([503, 'resource_unavailable']);
  });

  it("sends the operator's token nowhere that a tenant names, and tells its admin what is wrong", async () => {
    await set(root, '/api/admin/config/rates.token', 'of-the-operator');
    await set(globex, '/api/config/rates.url', `http://127.0.0.1:${(peer.address() as AddressInfo).port}`);
    expect(told(await rate(globex, 'eur'))).toEqual([503, 'rates_unavailable']);
    expect(asked.at(-1)).toBe('Bearer /eur');
    const { items } = (await globex.get('/api/resources')).json;
    expect(items.find(({ name }: { name: string }) => name === 'rates_server')).toMatchObject({
      state: 'failing',
      last_error: 'The server refuses rates.token.',
    });
  });

  it('counts against the quota that the platform set for acme', async () => {
    await set(root, '/api/admin/tenants/acme/config/limits.rates_per_hour', 1);
    const answers = [await rate(acme, 'usd'), await rate(acme, 'usd')];
    expect(answers.map(({ status }) => status)).toEqual([200, 429]);
    expect(answers[1]?.json.policy).toBe('rates');
  });
});
