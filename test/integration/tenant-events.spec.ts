import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TenantEvent, TenantEvents } from '../../src/tenant/index.js';
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
