import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangeFeed } from '../../src/changes/index.js';
import { type TenantEvent, TenantEvents, TenantPurge, TenantRetirement } from '../../src/tenant/index.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
let admin: SignedInAdmin;
const heard: TenantEvent[] = [];

beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url });
  admin = await signInAdmin(t);
  for (const name of [
    'created',
    'activated',
    'edited',
    'suspended',
    'resumed',
    'archived',
    'deletion_scheduled',
    'restored',
  ]) {
    t.app.get(TenantEvents).on(`tenant.${name}`, (event) => {
      heard.push(event);
      return Promise.resolve();
    });
  }
});
afterAll(async () => {
  await t?.close();
  await smtp?.close();
});

const send = (slug: string, what: string, body?: unknown) =>
  admin.send('POST', `/api/admin/tenants/${slug}/${what}`, body);

describe('what happens to a tenant', () => {
  it('is told to whoever listens, with who did it', async () => {
    await createTenant(admin, 'talked-about');
    await untilStatus(admin, 'talked-about', 'active');
    await admin.send('PATCH', '/api/admin/tenants/talked-about', { name: 'Talk of the town' });
    await send('talked-about', 'suspend', { reason: 'A test' });
    await send('talked-about', 'resume');
    await send('talked-about', 'archive');
    await admin.send('DELETE', '/api/admin/tenants/talked-about?confirm=talked-about');
    await send('talked-about', 'restore');
    const events = () => heard.filter(({ slug }) => slug === 'talked-about');
    await expect.poll(() => new Set(events().map(({ event }) => event)).size, { timeout: 20_000 }).toBe(8);
    const by = Object.fromEntries(events().map(({ event, actor_kind }) => [event, actor_kind]));
    expect(by['tenant.created']).toBe('platform-admin');
    expect(by['tenant.activated']).toBe('system');
    expect(events().find(({ event }) => event === 'tenant.suspended')).toMatchObject({
      reason: 'A test',
      after: { status: 'suspended' },
    });
  });

  it('is not told when it did not come about', async () => {
    await createTenant(admin, 'acme');
    await send('globex', 'resume');
    await send('globex', 'suspend', {});
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(heard.filter(({ slug }) => slug === 'acme' || slug === 'globex')).toEqual([]);
  });

  it('reaches the owners by mail, once, when an admin suspends the tenant and brings it back', async () => {
    await send('initech', 'suspend', { reason: 'The invoice of October is open.' });
    await send('initech', 'resume');
    const mails = () => smtp.to('owner@initech.example');
    await expect.poll(() => mails().length, { timeout: 20_000 }).toBe(2);
    const suspended = mails().find(({ subject }) => subject?.endsWith('was suspended'));
    expect(suspended?.text).toContain('The invoice of October is open.');
    expect(smtp.to('member@initech.example')).toEqual([]);
  });
});

describe('a process that makes a change itself', () => {
  it('heeds it without waiting for the news to come back', async () => {
    const alone = await createTestApp({ ...ROOT_ENV, TENANT_DELETION_GRACE_DAYS: '0' });
    try {
      const root = await signInAdmin(alone);
      // The news of other processes comes no more, although the connection is well.
      const { client } = alone.app.get<unknown, { client: NodeJS.EventEmitter }>(ChangeFeed);
      client.removeAllListeners('notification');
      const open = async () => (await alone.request('POST', '/session', { body: { tenant_id: 'prompt' } })).status;
      const soon = { timeout: 2000, interval: 20 };
      expect(await open()).toBe(404);
      await createTenant(root, 'prompt', { kind: 'trial', settings: { 'chat.public': true } });
      await untilStatus(root, 'prompt', 'active');
      await expect.poll(open, soon).toBe(201);

      await alone.database.admin(`UPDATE platform.tenants SET expires_at = now() WHERE slug = 'prompt'`);
      await alone.app.get(TenantRetirement).runDue();
      await expect.poll(open, soon).toBe(403);
      await root.send('POST', '/api/admin/tenants/prompt/archive');
      await expect.poll(open, soon).toBe(404);
      const { id } = (await root.send('DELETE', '/api/admin/tenants/prompt?confirm=prompt')).json;
      expect((await alone.tenant('prompt')).status).toBe('archived');
      const told: (string[] | undefined)[] = [];
      alone.app.get(ChangeFeed).on('tenantry_tenants', (slugs) => told.push(slugs));
      expect(await alone.app.get(TenantPurge).runDue()).toBe(1);
      expect([told, id]).toEqual([[['prompt']], expect.any(String)]);
    } finally {
      await alone.close();
    }
  });
});
