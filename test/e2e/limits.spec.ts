import { getStorageToken } from '@nestjs/throttler';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LimitStorage } from '../../src/limits/index.js';
import { TenantContext, TenantLookUp } from '../../src/tenancy/index.js';
import { apiKey } from '../kit/actors.js';
import { bearer, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t?.close());

async function set(slug: string, settings: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify(settings);
  await t.database.admin('UPDATE platform.tenants SET settings = settings || $1::jsonb WHERE slug = $2', [text, slug]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  // What requests are resolved by, which hears of the change a moment later.
  await expect.poll(async () => (await t.app.get(TenantLookUp).bySlug(slug))?.settings).toMatchObject(settings);
}

const open = (slug: string) => t.request('POST', '/session', { body: { tenant_id: slug } });

describe('the quota of an hour', () => {
  it('keeps a share from visitors of acme that its users can still use, and names who refused', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    await set('acme', { 'limits.requests_per_hour': 6, 'limits.reserved_for_users_percent': 50 });
    const visits = [];
    for (let n = 0; n < 4; n += 1) visits.push(await open('acme'));
    expect(visits.map(({ status }) => status)).toEqual([201, 201, 201, 429]);
    expect(visits[0]?.headers).toMatchObject({
      'ratelimit-policy': '"visitors";q=3;w=3600, "plan";q=6;w=3600, "address-visitor";q=300;w=10',
      ratelimit: '"visitors";r=2;t=3600',
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '2',
    });
    expect(visits[3]?.json).toMatchObject({
      code: 'rate_limited',
      policy: 'visitors',
      detail: 'Limit visitors of 3 exceeded for callers without an account.',
    });
    const reads = [];
    for (let n = 0; n < 4; n += 1) reads.push(await owner.get('/api/sessions'));
    // The visit that was refused has used up nothing of the plan.
    expect(reads.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(reads[0]?.headers['ratelimit-policy']).toBe('"plan";q=6;w=3600');
    expect(reads[0]?.headers.ratelimit).toMatch(/^"plan";r=2;t=\d+$/);
    expect(reads[3]?.json).toMatchObject({ policy: 'plan', detail: expect.stringContaining('requests_per_hour of 6') });
    expect(Number(reads[3]?.headers['retry-after'])).toBeGreaterThan(3000);
    expect((await open('globex')).status).toBe(201);
  });

  it('is not drawn on at the door, nor by those who watch the process', async () => {
    await set('initech', { 'limits.requests_per_hour': 1 });
    const host = { host: 'initech.localhost' };
    for (let n = 0; n < 3; n += 1) {
      expect((await t.request('GET', '/health/live', { headers: host })).status).toBe(200);
      expect((await signIn(t, 'initech', 'owner')).accessToken).toBeDefined();
    }
    expect((await t.request('GET', '/health/live', { headers: host })).headers.ratelimit).toBeUndefined();
    const owner = await signIn(t, 'initech', 'owner');
    const statuses = [];
    for (let n = 0; n < 2; n += 1) statuses.push((await owner.get('/api/sessions')).status);
    expect(statuses).toEqual([200, 429]);
  });

  it('comes with the plan, and not with one that has none', async () => {
    await t.database.admin(
      `UPDATE platform.plans SET settings = '{"limits.requests_per_hour": 10000}' WHERE name = 'premium'`,
    );
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    const policy = async () => (await open('globex')).headers['ratelimit-policy'];
    const all = '"visitors";q=8000;w=3600, "plan";q=10000;w=3600, "address-visitor";q=300;w=10';
    await expect.poll(policy).toBe(all);
    expect(await policy()).toBe(all);
    await t.import([{ slug: 'umbrella' }]);
    const answer = await open('umbrella');
    expect([answer.status, answer.headers['ratelimit-policy']]).toEqual([201, undefined]);
  });
});

describe('a caller of globex', () => {
  it('has a limit of its own, each user and each API key', async () => {
    const [owner, admin] = [await signIn(t, 'globex', 'owner'), await signIn(t, 'globex', 'admin')];
    const keys = [await apiKey(t, 'globex', ['session:read']), await apiKey(t, 'globex', ['session:read'])];
    await set('globex', { 'limits.user_per_minute': 2, 'limits.api_key_per_minute': 1 });
    const read = async (who: typeof owner, times: number) => {
      const answers = [];
      for (let n = 0; n < times; n += 1) answers.push(await who.get('/api/sessions'));
      return answers.map(({ status, headers }) => `${status} ${headers.ratelimit?.toString().split(';')[0]}`);
    };
    expect(await read(owner, 3)).toEqual(['200 "user"', '200 "user"', '429 "user"']);
    expect(await read(admin, 1)).toEqual(['200 "user"']);
    for (const key of keys) {
      expect(await read(bearer(t, 'globex', key), 2)).toEqual(['200 "api-key"', '429 "api-key"']);
    }
  });
});

describe('a limit check', () => {
  const asked = new Map<string | undefined, number>();
  beforeAll(() => {
    const context = t.app.get(TenantContext);
    // Every statement of this process goes through here, whichever pool it takes.
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the client it is called on
    const original = pg.Client.prototype.query as (this: unknown, ...args: unknown[]) => unknown;
    vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: unknown, ...args: unknown[]) {
      const id = context.requestId();
      asked.set(id, (asked.get(id) ?? 0) + 1);
      return original.apply(this, args) as never;
    });
  });
  afterAll(() => vi.restoreAllMocks());

  /** The limits that were told, and how many statements the request cost. */
  const cost = async (answer: ReturnType<TestApp['request']>) => {
    const { status, headers } = await answer;
    expect(status).toBeLessThan(300);
    const limits = [...(headers['ratelimit-policy'] ?? '').toString().matchAll(/"([\w-]+)"/g)].map(([, name]) => name);
    return { limits, statements: asked.get(headers['x-request-id'] as string) ?? 0 };
  };
  const LIMITS = {
    'limits.requests_per_hour': 10_000,
    'limits.chat_per_10s': 1000,
    'limits.user_per_minute': 1000,
    'limits.api_key_per_minute': 1000,
  };

  it('costs no statement when tenant and credential are known', async () => {
    await t.import([{ slug: 'unlimited' }]);
    await set('globex', LIMITS);
    const twice = async (ask: () => ReturnType<typeof cost>) => {
      await ask();
      return ask();
    };
    const chat = async (slug: string) => {
      const body = { tenant_id: slug, session_id: await t.session(slug), message: 'hello' };
      return twice(() => cost(t.request('POST', '/chat', { body })));
    };
    const read = async (slug: string) => {
      const key = bearer(t, slug, await apiKey(t, slug, ['settings:read']));
      return twice(() => cost(key.get('/api/config/welcome')));
    };
    // The same work where nothing is limited: what the limits cost is the difference.
    for (const [ask, limits] of [
      [chat, ['chat', 'visitors', 'plan', 'address-visitor']],
      [read, ['plan', 'api-key']],
    ] as const) {
      const free = await ask('unlimited');
      expect([free.limits, free.statements > 0]).toEqual([[], true]);
      expect(await ask('globex')).toEqual({ limits, statements: free.statements });
    }
    const admin = await signIn(t, 'globex', 'admin');
    expect(await twice(() => cost(admin.get('/api/features')))).toEqual({ limits: ['plan', 'user'], statements: 0 });
  });
});

describe("the operator's API", () => {
  it('counts whoever shows no credential by address', async () => {
    const ask = () => t.request('GET', '/api/admin/tenants');
    expect((await ask()).status).toBe(401);
    // So many requests would take a busy machine longer than the window.
    const storage = t.app.get<LimitStorage>(getStorageToken());
    const policy = { key: '{t:}:limit:address|127.0.0.1|address-admin', quota: 6000, windowMs: 60_000 };
    for (let n = 0; n < 6000; n += 1) await storage.consume([policy]);
    const refused = await ask();
    expect([refused.status, refused.json.code]).toEqual([429, 'address_rate_limited']);
  });
});
