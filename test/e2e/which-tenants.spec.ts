import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmailDirectory } from '../../src/auth/account/email.directory.js';
import { TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { mailTo, newPerson, outboxEmpty } from '../kit/people.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

const SUBJECT = /Where you have an account/;
const ask = (email: unknown, headers = {}) => t.request('POST', '/api/auth/tenants', { headers, body: { email } });
const directory = () => t.app.get(EmailDirectory, { strict: false });
const changed = async (tenant: string, ...keys: string[]) =>
  t.app.get(TenantRunner).run(await t.tenant(tenant), () => directory().changed(...keys));
const entries = async (email: string) =>
  (await t.database.admin('SELECT 1 FROM platform.email_directory WHERE email_hmac = $1', [directory().hmac(email)]))
    .length;

/** One person with one address at two tenants. */
async function known(email: string, ...tenants: string[]): Promise<void> {
  for (const tenant of tenants) {
    const { id } = await newPerson(t, tenant);
    await t.database.admin('UPDATE everywhere.users SET email = $2, email_key = $2 WHERE id = $1', [id, email]);
    await changed(tenant, email);
  }
  await outboxEmpty(t);
}

describe('which tenants am I in', () => {
  it('is answered by mail alone, and alike for an address that nobody has', async () => {
    await known('wanda@mail.example', 'acme', 'globex');
    const answers = [await ask('Wanda@mail.example'), await ask('nobody@mail.example')];
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [202, answers[0]?.text],
      [202, answers[0]?.text],
    ]);
    expect(answers[0]?.text).not.toMatch(/acme|globex/i);
    const mail = await mailTo(smtp, 'wanda@mail.example', SUBJECT);
    expect(mail.text).toContain('Acme');
    expect(mail.text).toContain('Globex');
    expect((await mailTo(smtp, 'nobody@mail.example', SUBJECT)).text).toContain('No account uses this mail address');
  });

  it('goes to the address that was looked up, whatever other spelling of it was typed', async () => {
    await known('norma@mail.example', 'acme');
    expect((await ask('Ｎorma@mail.example')).status).toBe(202);
    expect((await mailTo(smtp, 'norma@mail.example', SUBJECT)).text).toContain('Acme');
    expect(smtp.to('Ｎorma@mail.example')).toEqual([]);
  });

  it('leaves out tenants that are not in service', async () => {
    await known('archie@mail.example', 'acme', 'globex');
    await t.database.admin(`UPDATE platform.tenants SET status = 'suspended' WHERE slug = 'globex'`);
    try {
      await ask('archie@mail.example');
      const mail = await mailTo(smtp, 'archie@mail.example', SUBJECT);
      expect(mail.text).toContain('Acme');
      expect(mail.text).not.toContain('Globex');
    } finally {
      await t.database.admin(`UPDATE platform.tenants SET status = 'active' WHERE slug = 'globex'`);
    }
  });

  it("is not a tenant's to answer", async () => {
    expect((await ask('owner@acme.example', { 'x-tenant-id': 'acme' })).status).toBe(404);
    const prefixed = await t.request('POST', '/acme/api/auth/tenants', { body: { email: 'owner@acme.example' } });
    expect(prefixed.status).toBe(404);
    expect(smtp.to('owner@acme.example')).toEqual([]);
  });

  it('writes to one address three times and no more, and stops one client after ten', async () => {
    const answers = [];
    for (let n = 0; n < 8; n += 1) answers.push((await ask('often@mail.example')).status);
    expect(answers.slice(0, 4)).toEqual([202, 202, 202, 202]);
    expect(answers.at(-1)).toBe(429);
    await mailTo(smtp, 'often@mail.example', SUBJECT, 3);
    expect(smtp.to('often@mail.example')).toHaveLength(3);
  });
});

describe('the directory of addresses', () => {
  it('knows the people of the demo by a keyed hash, and holds no address', async () => {
    await outboxEmpty(t);
    expect(await entries('owner@acme.example')).toBe(1);
    const [row] = await t.database.admin<{ text: string }>(
      `SELECT string_agg(d::text, ' ') AS text FROM platform.email_directory d`,
    );
    expect(row?.text).not.toContain('example');
    expect(await directory().tenantsOf('owner@acme.example')).toMatchObject([{ slug: 'acme', name: 'Acme Corp' }]);
  });

  it('forgets an address with the user, whichever of the two events comes last', async () => {
    await known('brief@mail.example', 'acme');
    expect(await entries('brief@mail.example')).toBe(1);
    await t.database.admin(`DELETE FROM everywhere.users WHERE email_key = 'brief@mail.example'`);
    await Promise.all(Array.from({ length: 5 }, () => changed('acme', 'brief@mail.example')));
    await outboxEmpty(t);
    expect(await entries('brief@mail.example')).toBe(0);
  });

  it('hears nothing of a user whose transaction was rolled back', async () => {
    await t.app.get(TenantRunner).run(await t.tenant('acme'), async () => {
      const undone = t.app.get(TenantTransaction).run(async () => {
        await directory().changed('undone@mail.example');
        throw new Error('undone');
      });
      await expect(undone).rejects.toThrow('undone');
    });
    expect(await t.database.admin('SELECT 1 FROM everywhere.outbox_events')).toEqual([]);
  });
});
