import { createHmac, createPrivateKey, generateKeyPairSync, sign as signBytes, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SigningKeys } from '../../src/auth/index.js';
import { type TestApp, createTestApp } from '../kit/test-app.js';
import { adminToken, userToken } from '../kit/actors.js';
import { bearer, signIn } from '../kit/sign-in.js';

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());

type Part = Record<string, unknown>;
const encode = (part: Part): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const decode = (part = ''): Part => JSON.parse(Buffer.from(part, 'base64url').toString()) as Part;
const partsOf = (token: string): [Part, Part] => [decode(token.split('.')[0]), decode(token.split('.')[1])];

/** A token with changed header and claims, signed properly by whatever key is given. */
function resigned(token: string, header: Part, claims: Part, key: KeyObject): string {
  const [head, body] = partsOf(token);
  const text = `${encode({ ...head, ...header })}.${encode({ ...body, ...claims })}`;
  const signature = signBytes('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

const ourKey = (): KeyObject => t.app.get(SigningKeys).signer('tenant').key;
const me = async (token: string) => (await bearer(t, 'acme', token).get('/api/auth/me')).status;

describe('an access token', () => {
  it('re-signed without a change is good, so that the attacks below fail for what they change', async () => {
    expect(await me(resigned(await userToken(t, 'acme', 'owner'), {}, {}, ourKey()))).toBe(200);
  });

  it.each<[string, Part, Part]>([
    ['of another audience', {}, { aud: 'tenantry:platform' }],
    ['of an audience of somebody else', {}, { aud: 'https://elsewhere.example' }],
    ['of another issuer', {}, { iss: 'https://elsewhere.example' }],
    ['that has expired', {}, { exp: Math.floor(Date.now() / 1000) - 1 }],
    ['that is not yet valid', {}, { nbf: Math.floor(Date.now() / 1000) + 600 }],
    ['without an expiry', {}, { exp: undefined }],
    ['that lives longer than any of ours', {}, { exp: Math.floor(Date.now() / 1000) + 3600 }],
    ['that does not say since when it lives', {}, { iat: undefined }],
    [
      'made today for a day to come',
      {},
      { iat: Math.floor(Date.now() / 1000) + 3600, exp: Math.floor(Date.now() / 1000) + 4000 },
    ],
    ['without a tenant', {}, { tid: undefined }],
    ['of an older version', {}, { rv: 0 }],
    ['of a device that is not there', {}, { did: '00000000-0000-7000-8000-000000000000' }],
    ['of a user who is not there', {}, { sub: '00000000-0000-7000-8000-000000000000' }],
    ['whose subject is no UUID', {}, { sub: "' OR 1=1" }],
    ['of another type', { typ: 'JWT' }, {}],
    ['without a type', { typ: undefined }, {}],
    ['without a key id', { kid: undefined }, {}],
    ['of a key that is not there', { kid: 'nobody' }, {}],
    ['that names its own key', { kid: undefined, jwk: { kty: 'EC' } }, {}],
    ['said to be signed otherwise', { alg: 'RS256' }, {}],
  ])('%s is refused', async (_title, header, claims) => {
    expect(await me(resigned(await userToken(t, 'acme', 'owner'), header, claims, ourKey()))).toBe(401);
  });

  it('without a signature is refused, whatever way "none" is spelt', async () => {
    const token = await userToken(t, 'acme', 'owner');
    for (const alg of ['none', 'None', 'NONE', '']) {
      const [head, body] = partsOf(token);
      expect(await me(`${encode({ ...head, alg })}.${encode(body)}.`)).toBe(401);
    }
    expect(await me(token.split('.').slice(0, 2).join('.') + '.')).toBe(401);
  });

  it('signed with HMAC under our public key is refused', async () => {
    const [head, body] = partsOf(await userToken(t, 'acme', 'owner'));
    const text = `${encode({ ...head, alg: 'HS256' })}.${encode(body)}`;
    const [jwk] = t.app.get(SigningKeys).jwks('tenant').keys;
    const signature = createHmac('sha256', JSON.stringify(jwk)).update(text).digest('base64url');
    expect(await me(`${text}.${signature}`)).toBe(401);
  });

  it('signed by somebody else under our key id is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = privateKey.export({ format: 'der', type: 'pkcs8' });
    const theirs = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    expect(await me(resigned(await userToken(t, 'acme', 'owner'), {}, {}, theirs))).toBe(401);
  });

  it('tampered with in any part is refused', async () => {
    const [head, body, signature] = (await userToken(t, 'acme', 'viewer')).split('.');
    const promoted = encode({ ...decode(body), role: 'owner', sub: decode(body)['sub'] });
    expect(await me(`${head}.${promoted}.${signature}`)).toBe(401);
    expect(await me(`${head}.${body}.${signature?.slice(0, -2)}AA`)).toBe(401);
  });

  it('of acme whose tenant was changed to globex is refused even when signed by us', async () => {
    const globex = await t.tenant('globex');
    const token = resigned(await userToken(t, 'acme', 'owner'), {}, { tid: globex.id }, ourKey());
    expect((await bearer(t, 'globex', token).get('/api/auth/me')).status).toBe(401);
    expect(await me(token)).toBe(404);
  });

  it('is not a refresh token, and a refresh token is not an access token', async () => {
    const { accessToken, refreshToken } = await signIn(t, 'acme', 'owner');
    expect(await me(refreshToken)).toBe(401);
    const refresh = (token: string) =>
      t.request('POST', '/api/auth/refresh', { headers: { 'x-tenant-id': 'acme' }, body: { refresh_token: token } });
    expect((await refresh(accessToken.slice(0, 200))).status).toBe(401);
  });

  it('of the platform opens no tenant, and one of a tenant opens no admin route', async () => {
    expect(await me(await adminToken(t, 'admin'))).toBe(401);
    const jwks = await t.request('GET', '/api/admin/.well-known/jwks.json');
    const kids = (answer: { json: { keys: { kid: string }[] } }) => answer.json.keys.map((key) => key.kid);
    const ours = await t.request('GET', '/.well-known/jwks.json');
    expect(kids(jwks).filter((kid) => kids(ours).includes(kid))).toEqual([]);
  });

  it.each(['', 'x', '.', '..', 'a.b.c', '{}.{}.{}', 'A'.repeat(9000), 'tnt_', `tnt_${'0'.repeat(95)}`, 'e30.e30.e30'])(
    'cannot be %j',
    async (text) => expect(await me(text)).toBe(401),
  );

  it('stops working while a thousand requests use it, the moment its user is disabled', async () => {
    const token = await userToken(t, 'initech', 'member');
    const user = bearer(t, 'initech', token);
    const { id } = (await user.get('/api/auth/me')).json as { id: string };
    let revokedAt = Infinity;
    const late: number[] = [];
    const worker = async (): Promise<void> => {
      for (let round = 0; round < 50; round++) {
        const sentAt = performance.now();
        const { status } = await user.get('/api/auth/me');
        if (status === 200 && sentAt > revokedAt + 1000) late.push(sentAt - revokedAt);
      }
    };
    const workers = Array.from({ length: 20 }, worker);
    const tenant = await t.tenant('initech');
    await t.database.admin(`UPDATE everywhere.users SET status = 'disabled' WHERE id = $1`, [id]);
    await t.database.admin(`SELECT pg_notify('tenantry_auth', $1)`, [`${tenant.id}:${id}`]);
    revokedAt = performance.now();
    await Promise.all(workers);
    expect(late).toEqual([]);
    expect((await user.get('/api/auth/me')).status).toBe(401);
  });
});
