import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { afterCommit, ChangeFeed } from '../../src/changes/index.js';
import { PLATFORM_DATA_SOURCE, TenantLookUp } from '../../src/tenancy/index.js';
import { Provisioner } from '../../src/tenant/provisioning/provisioner.js';
import { mailTo, tokenIn } from '../kit/people.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { signIn } from '../kit/sign-in.js';
import { createTenant } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let smtp: TestSmtp;
let t: TestApp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url });
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

describe('what waits for the commit of a transaction on the control plane', () => {
  const platform = () => t.app.get<DataSource>(PLATFORM_DATA_SOURCE);

  it('runs between the commit and whoever goes on, once for each', async () => {
    const order: string[] = [];
    await platform().transaction(async (manager) => {
      afterCommit(manager, () => order.push('first'));
      await manager.query('SELECT 1');
      // A transaction within is a savepoint, whose end commits nothing.
      await manager.transaction((inner) => Promise.resolve(afterCommit(inner, () => order.push('second'))));
      order.push('last statement');
    });
    order.push('went on');
    expect(order).toEqual(['last statement', 'first', 'second', 'went on']);
    await platform().transaction((manager) => manager.query('SELECT 1'));
    expect(order).toHaveLength(4);
  });

  it('never runs after a rollback', async () => {
    let ran = false;
    const failed = platform().transaction((manager) => {
      afterCommit(manager, () => (ran = true));
      return Promise.reject(new Error('no'));
    });
    await expect(failed).rejects.toThrow('no');
    await platform().transaction((manager) => manager.query('SELECT 1'));
    expect(ran).toBe(false);
  });

  it('runs at once where no transaction is open', () => {
    let ran = false;
    afterCommit(platform().manager, () => (ran = true));
    expect(ran).toBe(true);
  });
});

describe('a process that makes a tenant inside another transaction', () => {
  const known = async (slug: string) => (await t.app.get(TenantLookUp).bySlug(slug))?.status;
  beforeAll(async () => {
    // Nothing but the process itself tells it, and what it makes stays at its beginning.
    const { client } = t.app.get<unknown, { client: NodeJS.EventEmitter }>(ChangeFeed);
    client.removeAllListeners('notification');
    await t.app.get(Provisioner).beforeApplicationShutdown();
  });

  it('knows it at once, though it knew just now that there was none: by a platform admin', async () => {
    expect(await known('hooli')).toBeUndefined();
    expect((await createTenant(await signInAdmin(t), 'hooli')).status).toBe(201);
    expect(await known('hooli')).toBe('provisioning');
  });

  it('the same with a sandbox', async () => {
    const owner = await signIn(t, 'acme', 'owner');
    expect(await known('acme-try')).toBeUndefined();
    expect((await owner.send('POST', '/api/sandboxes', { slug: 'acme-try' })).status).toBe(201);
    expect(await known('acme-try')).toBe('provisioning');
  });

  it('the same with a sign-up', async () => {
    const email = 'owner@umbrella.example';
    const request = { company: 'Umbrella Ltd', slug: 'umbrella', email, password: 'seven blue ladders' };
    expect((await t.request('POST', '/api/signup', { body: request })).status).toBe(202);
    const token = tokenIn(await mailTo(smtp, email, /Confirm your sign-up/));
    expect(await known('umbrella')).toBeUndefined();
    expect((await t.request('POST', '/api/signup/confirm', { body: { token } })).status).toBe(202);
    expect(await known('umbrella')).toBe('provisioning');
  });
});
