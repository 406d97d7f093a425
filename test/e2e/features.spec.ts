import { Controller, Get, Module } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ACCOUNT_MANAGE, ForTenant, RequiresPermission } from '../../src/auth/index.js';
import { declareFeature, FeatureFlags, type FeatureState, RequiresFeature } from '../../src/features/index.js';
import { TenantContextMissing, TenantRunner } from '../../src/tenancy/index.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const REPORTS = declareFeature({ name: 'reports', description: 'Reports.', default: false });
const KEY = REPORTS.setting.key;

@Controller('api/test')
class ReportsController {
  @Get('reports')
  @RequiresPermission(ACCOUNT_MANAGE)
  @RequiresFeature(REPORTS)
  reports(): object {
    return { reports: [] };
  }

  @Get('open-reports')
  @ForTenant()
  @RequiresFeature(REPORTS)
  open(): object {
    return { reports: [] };
  }
}

@Module({ controllers: [ReportsController] })
class ReportsModule {}

let t: TestApp;
let member: SignedIn;
let stranger: SignedIn;
beforeAll(async () => {
  t = await createTestApp({}, false, undefined, { modules: [ReportsModule] });
  member = await signIn(t, 'acme', 'member');
  stranger = await signIn(t, 'globex', 'member');
});
afterAll(() => t?.close());

const CLEARED = [
  `UPDATE platform.platform_settings SET settings = settings - $1`,
  `UPDATE platform.plans SET settings = settings - $1`,
  `UPDATE platform.tenants SET settings = settings - $1`,
];
const SET = {
  platform: `UPDATE platform.platform_settings SET settings = settings || $1::jsonb`,
  plan: `UPDATE platform.plans SET settings = settings || $1::jsonb
    WHERE name = (SELECT plan FROM platform.tenants WHERE slug = 'acme')`,
  tenant: `UPDATE platform.tenants SET settings = settings || $1::jsonb WHERE slug = 'acme'`,
};

async function set(layer: keyof typeof SET, state: FeatureState): Promise<void> {
  await t.database.admin(SET[layer], [JSON.stringify({ [KEY]: state })]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
}

beforeEach(async () => {
  for (const sql of CLEARED) await t.database.admin(sql, [KEY]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  await expect.poll(() => status(member)).toBe(403);
  await expect.poll(() => status(stranger)).toBe(403);
});

const status = async (who: SignedIn) => (await who.get('/api/test/reports')).status;
const listed = async (who: SignedIn): Promise<unknown> =>
  (await who.get('/api/features')).json.items.find(({ name }: { name: string }) => name === 'reports').enabled;

describe('a feature', () => {
  it('is off unless somebody turns it on, and its routes say so', async () => {
    const refused = await member.get('/api/test/reports');
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.json).toMatchObject({ status: 403, code: 'feature_not_in_plan', feature: 'reports' });
    expect(refused.json.remedy).toContain('plan');
    expect((await member.get('/api/features')).json).toEqual({
      items: [{ name: 'reports', description: 'Reports.', enabled: false }],
      next_cursor: null,
    });
  });

  it('is asked about after who calls: a stranger to acme learns nothing of it', async () => {
    expect((await t.request('GET', '/api/test/reports', { headers: { 'x-tenant-id': 'acme' } })).status).toBe(401);
    expect((await t.request('GET', '/api/features', { headers: { 'x-tenant-id': 'acme' } })).status).toBe(401);
  });

  it('is on for all when the platform turns it on', async () => {
    await set('platform', true);
    await expect.poll(() => status(member)).toBe(200);
    await expect.poll(() => status(stranger)).toBe(200);
    expect(await listed(member)).toBe(true);
  });

  it('is on for the tenants of a plan, and off for one that it is turned off for', async () => {
    await set('plan', true);
    await expect.poll(() => status(member)).toBe(200);
    await set('tenant', false);
    await expect.poll(() => status(member)).toBe(403);
    expect(await listed(member)).toBe(false);
  });

  it('is on for acme alone when acme is given it', async () => {
    await set('tenant', true);
    await expect.poll(() => status(member)).toBe(200);
    expect([await status(stranger), await listed(stranger)]).toEqual([403, false]);
  });

  it('is on for a share of the users, who stay when it grows, and for nobody without an account', async () => {
    const flags = t.app.get(FeatureFlags);
    const runner = t.app.get(TenantRunner);
    const users = Array.from({ length: 400 }, (_, index) => `user-${index}`);
    const having = async (percentage: number) => {
      await set('tenant', { percentage });
      const state = async () => (await t.tenant('acme')).settings[KEY];
      await expect.poll(state).toEqual({ percentage });
      const acme = await t.tenant('acme');
      return users.filter((id) =>
        runner.run(acme, () => {
          runner.identify({ kind: 'user', id });
          return flags.isOn(REPORTS);
        }),
      );
    };
    const some = await having(25);
    expect(some.length).toBeGreaterThan(40);
    expect(some.length).toBeLessThan(160);
    const more = await having(60);
    expect(more).toEqual(expect.arrayContaining(some));
    expect(await having(100)).toEqual(users);
    await expect.poll(() => status(member)).toBe(200);
    expect((await t.request('GET', '/api/test/open-reports', { headers: { 'x-tenant-id': 'acme' } })).status).toBe(403);
    expect(await having(0)).toEqual([]);
    await expect.poll(() => status(member)).toBe(403);
  });

  it('is of no tenant where none is in scope', () => {
    expect(() => t.app.get(FeatureFlags).isOn(REPORTS)).toThrow(TenantContextMissing);
  });
});
