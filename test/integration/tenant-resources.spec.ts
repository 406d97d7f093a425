import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResourceStates, TenantResources, type TenantResource } from '../../src/resources/index.js';
import { declareSetting, settingOf } from '../../src/settings/index.js';
import { PLATFORM_DATA_SOURCE, TenantContextMissing, TenantRunner } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const GREETING = declareSetting<string>({
  key: 'test.greeting',
  description: 'What the resource of this test is made of.',
  type: 'string',
  allowed: 'a text',
  default: 'hello',
  changedBy: 'admin',
});

describe('things of a tenant', () => {
  let t: TestApp;
  let greeter: TenantResource<string>;
  const disposed: string[] = [];
  const greetingOf = async (slug: string) => {
    const tenant = await t.tenant(slug);
    return t.app.get(TenantRunner).run(tenant, () => greeter.use((greeting) => greeting));
  };
  const change = async (slug: string, assignment: string) => {
    await t.database.admin(`UPDATE platform.tenants SET ${assignment} WHERE slug = '${slug}'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '${slug}')`);
  };

  beforeAll(async () => {
    t = await createTestApp();
    greeter = t.app.get(TenantResources).declare<string>({
      name: 'greeter',
      settings: [GREETING],
      make: (tenant) => `${settingOf(tenant, GREETING)} from ${tenant.slug}`,
      dispose: (greeting) => void disposed.push(greeting),
    });
  });
  afterAll(() => t.close());

  it('are lent in the scope of a tenant alone', async () => {
    await expect(greeter.use(() => undefined)).rejects.toBeInstanceOf(TenantContextMissing);
    expect(await greetingOf('acme')).toBe('hello from acme');
    expect(await greetingOf('globex')).toBe('hello from globex');
  });

  it('are disposed of when their settings change, and no other tenant notices', async () => {
    await change('acme', `settings = settings || '{"test.greeting":"good day"}'`);
    await expect.poll(() => disposed).toContain('hello from acme');
    await expect.poll(() => greetingOf('acme')).toBe('good day from acme');
    expect(disposed).not.toContain('hello from globex');
  });

  it('are told of by every process that uses them, the last use last, and each tenant of its own', async () => {
    const { id } = await t.tenant('acme');
    const { id: other } = await t.tenant('globex');
    const [api, worker] = [0, 1].map(() => new ResourceStates(t.app.get<DataSource>(PLATFORM_DATA_SOURCE)));
    const seen = async () => (await api!.of(id)).find(({ resource }) => resource === 'peer');
    const well = { failingSince: null, lastError: null, okAt: expect.any(Date) };
    api!.note(id, 'peer', 'a', undefined);
    expect(await seen()).toMatchObject({ ...well, failedAt: null, fingerprint: 'a' });
    worker!.note(id, 'peer', 'a', 'It hung up.');
    await worker!.of(id);
    const failing = await seen();
    expect(failing).toMatchObject({ lastError: 'It hung up.', okAt: expect.any(Date), failedAt: expect.any(Date) });
    // Failing still, and since then.
    api!.note(id, 'peer', 'a', 'It does not answer.');
    expect(await seen()).toMatchObject({ lastError: 'It does not answer.', failingSince: failing?.failingSince });
    // What was seen before that and comes late changes nothing.
    worker!.note(id, 'peer', 'a', 'It hung up.');
    // More than one of the two may take longer to the database.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    api!.note(id, 'peer', 'a', undefined);
    await api!.of(id);
    await worker!.of(id);
    expect(await seen()).toMatchObject(well);
    // With other settings it is another.
    worker!.note(id, 'peer', 'b', 'It hung up.');
    await worker!.of(id);
    expect(await seen()).toMatchObject({ fingerprint: 'b', okAt: null, lastError: 'It hung up.' });
    expect((await api!.of(other)).some(({ resource }) => resource === 'peer')).toBe(false);
  });

  it('tell how they are, and are gone once the tenant is suspended', async () => {
    const globex = await t.tenant('globex');
    const health = () => t.app.get(TenantResources).healthOf(globex);
    expect(health()).toContainEqual({
      resource: 'greeter',
      state: 'ok',
      failingSince: null,
      lastError: null,
      inUse: 0,
    });
    await change('globex', `status = 'suspended'`);
    await expect.poll(() => disposed).toContain('hello from globex');
    expect(health()).toContainEqual(expect.objectContaining({ resource: 'greeter', state: 'unused' }));
  });
});
