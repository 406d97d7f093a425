import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/common/index.js';
import { parseEnv } from '../../src/env/index.js';
import { Mailer, MailLinks, type MailRequest, type MailTemplate } from '../../src/mail/index.js';
import { type Tenant, TenantContextMissing, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp, type Verdict } from '../kit/test-smtp.js';

const eventually = { timeout: 15_000, interval: 20 };
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1200));

const send = <T extends MailTemplate>(t: TestApp, tenant: Tenant, request: MailRequest<T>) =>
  t.app.get(TenantRunner).run(tenant, () => t.app.get(Mailer).send(request));

const invitation = (t: TestApp, tenant: Tenant, address: string, more: { name?: string; inviter?: string } = {}) => ({
  template: 'invitation' as const,
  to: { address, name: more.name },
  data: { inviter: more.inviter ?? 'Olga Owner', role: 'member', expires: 'on 1 December 2026' },
  links: { action: t.app.get(MailLinks).linkFor(tenant, '/accept-invitation', { token: 'one+time/token' }) },
});

describe('mail through an SMTP server', () => {
  let smtp: TestSmtp;
  let t: TestApp;
  let acme: Tenant;
  let globex: Tenant;
  const verdicts = new Map<string, (attempt: number) => Verdict>();
  const asked = new Map<string, number>();
  let count = 0;
  const freshAddress = () => `person-${(count += 1)}@mail.example`;
  const state = () =>
    t.database.admin<{ dead: boolean; last_error: string | null }>(
      `SELECT dead_at IS NOT NULL AS dead, last_error FROM shared.outbox_events WHERE type = 'mail.send'`,
    );

  beforeAll(async () => {
    smtp = await startSmtp({
      judge: ({ envelope }) => {
        const to = envelope.to[0] ?? '';
        asked.set(to, (asked.get(to) ?? 0) + 1);
        return verdicts.get(to)?.(asked.get(to) ?? 0);
      },
    });
    t = await createTestApp({ SMTP_URL: smtp.url, MAIL_FROM: 'Tenantry <no-reply@tenantry.example>' });
    [acme, globex] = [await t.tenant('acme'), await t.tenant('globex')];
  });
  afterEach(() => t.database.admin('DELETE FROM shared.outbox_events'));
  afterAll(async () => {
    await t.close();
    await smtp.close();
  });

  it('speaks in the brand of the tenant that has set one, and in the name of the other', async () => {
    await t.database.admin(
      `UPDATE platform.tenants SET settings = settings || '{"branding.name":"Globex <b>Labs</b>"}' WHERE slug = 'globex'`,
    );
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'globex')`);
    const [ofGlobex, ofAcme] = [freshAddress(), freshAddress()];
    await send(t, globex, invitation(t, globex, ofGlobex));
    await send(t, acme, invitation(t, acme, ofAcme));
    await expect.poll(() => [smtp.to(ofGlobex).length, smtp.to(ofAcme).length], eventually).toEqual([1, 1]);
    const [branded, plain] = [smtp.to(ofGlobex)[0], smtp.to(ofAcme)[0]];
    expect(branded?.subject).toBe('Olga Owner invites you to Globex <b>Labs</b>');
    expect(branded?.from?.name).toBe('Globex <b>Labs</b> via Tenantry');
    expect(branded?.html).toContain('Globex &lt;b&gt;Labs&lt;/b&gt;');
    expect(branded?.html).not.toContain('<b>Labs</b>');
    expect(plain?.subject).toBe(`Olga Owner invites you to ${acme.name}`);
    await t.database.admin(`UPDATE platform.tenants SET settings = settings - 'branding.name' WHERE slug = 'globex'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', 'globex')`);
  });

  it('arrives once, as text and HTML, from acme, with a link to acme', async () => {
    const to = freshAddress();
    await send(t, acme, invitation(t, acme, to, { name: 'Ann' }));
    await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
    await expect.poll(state, eventually).toEqual([]);
    await aWhile();
    expect(smtp.to(to)).toHaveLength(1);
    const [mail] = smtp.to(to);
    expect(mail?.envelope).toEqual({ from: 'no-reply@tenantry.example', to: [to] });
    expect(mail?.from).toMatchObject({ name: `${acme.name} via Tenantry`, address: 'no-reply@tenantry.example' });
    expect(mail?.to).toMatchObject([{ name: 'Ann', address: to }]);
    expect(mail?.subject).toBe(`Olga Owner invites you to ${acme.name}`);
    expect(mail?.messageId).toMatch(/^<[0-9a-f-]{36}@tenantry\.example>$/);
    expect(mail?.header('auto-submitted')).toBe('auto-generated');
    expect(mail?.header('content-type')).toContain('multipart/alternative');
    const link = 'http://acme.localhost:0/accept-invitation#token=one%2Btime%2Ftoken';
    expect(mail?.text).toContain(link);
    expect(mail?.html).toContain(`href="${link}"`);
    for (const part of [mail?.text, mail?.html]) {
      expect(part).toContain(`Olga Owner invites you to ${acme.name} as member.`);
      expect(part).not.toMatch(/\{\{|\{%|undefined/);
    }
    expect(mail?.html).not.toMatch(/<img|<script|src=|@import/);
  });

  it('is never sent when the transaction of acme is rolled back', async () => {
    const [undone, kept] = [freshAddress(), freshAddress()];
    const transaction = t.app.get(TenantTransaction);
    const attempt = t.app.get(TenantRunner).run(acme, () =>
      transaction.run(async () => {
        await t.app.get(Mailer).send(invitation(t, acme, undone));
        throw new Error('undone');
      }),
    );
    await expect(attempt).rejects.toThrow('undone');
    await send(t, acme, invitation(t, acme, kept));
    await expect.poll(() => smtp.to(kept).length, eventually).toBe(1);
    await aWhile();
    expect(smtp.to(undone)).toEqual([]);
  });

  it('is tried again with the same Message-ID after a 4xx answer', async () => {
    const to = freshAddress();
    const ids: (string | undefined)[] = [];
    verdicts.set(to, (attempt) => (attempt === 1 ? { code: 451, text: `greylisted ${to}` } : undefined));
    await send(t, acme, invitation(t, acme, to));
    await expect.poll(async () => (await state())[0]?.last_error, eventually).toBe('smtp EMESSAGE 451');
    ids.push((await t.database.admin<{ id: string }>('SELECT id FROM shared.outbox_events'))[0]?.id);
    await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
    expect(smtp.to(to)[0]?.messageId).toBe(`<${ids[0]}@tenantry.example>`);
    expect(asked.get(to)).toBe(2);
  });

  it('is given up at once after a 5xx answer, and neither table nor log names the recipient', async () => {
    const to = freshAddress();
    verdicts.set(to, () => ({ code: 550, text: `no such person: ${to}` }));
    await send(t, acme, invitation(t, acme, to));
    await expect.poll(state, eventually).toEqual([{ dead: true, last_error: 'smtp EMESSAGE 550' }]);
    await aWhile();
    expect(asked.get(to)).toBe(1);
    expect(t.logs.join('')).not.toContain(to);
  });

  it('waits for a server that is down, and arrives when it is back', async () => {
    const first = await startSmtp();
    const { port } = first;
    const app = await createTestApp({ SMTP_URL: first.url });
    try {
      await first.close();
      await send(app, await app.tenant('acme'), invitation(app, acme, 'late@mail.example'));
      await expect
        .poll(
          async () =>
            (await app.database.admin<{ e: string }>('SELECT last_error AS e FROM shared.outbox_events'))[0]?.e,
          eventually,
        )
        .toMatch(/^smtp (ESOCKET|ECONNECTION)$/);
      const second = await startSmtp({ port });
      try {
        await expect.poll(() => second.to('late@mail.example').length, eventually).toBe(1);
      } finally {
        await second.close();
      }
    } finally {
      await app.close();
    }
  });

  it("never shows acme's name in globex's mail, nor the reverse, when both are sent at once", async () => {
    const recipients = Array.from({ length: 20 }, (_, n) => ({
      tenant: n % 2 ? acme : globex,
      foreign: n % 2 ? globex : acme,
      to: freshAddress(),
    }));
    await Promise.all(recipients.map(({ tenant, to }) => send(t, tenant, invitation(t, tenant, to))));
    for (const { tenant, foreign, to } of recipients) {
      await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
      const [mail] = smtp.to(to);
      const all = `${mail?.raw}${mail?.subject}${mail?.text}${mail?.html}`;
      expect(all).toContain(tenant.name);
      expect(all.toLowerCase()).not.toContain(foreign.slug);
    }
  });

  it.each([
    ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['"><img src=x onerror=alert(1)>', '&#34;&gt;&lt;img src=x onerror=alert(1)&gt;'],
    ['Eve\r\nBcc: victim@mail.example\r\n\r\nbody', 'Eve Bcc: victim@mail.example body'],
    ['Zoë 🦊 Ünal', 'Zoë 🦊 Ünal'],
    ['{{ brand }} {% raw %}', '{{ brand }} {% raw %}'],
    ['a\u202Egpj.exe', 'a gpj.exe'],
    ['"Eve" <eve@evil.example>, x', '&#34;Eve&#34; &lt;eve@evil.example&gt;, x'],
  ])('shows the name %j as text and nothing more', async (name, html) => {
    const slug = `hostile-${(count += 1)}`;
    await t.import([{ slug }]);
    await t.database.admin(`UPDATE platform.tenants SET name = $2 WHERE slug = $1`, [slug, name]);
    const tenant = await t.tenant(slug);
    const to = freshAddress();
    await send(t, tenant, invitation(t, tenant, to, { name, inviter: name }));
    await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
    const [mail] = smtp.to(to);
    const shown = name.replaceAll(/[\r\n\u202e]+/g, ' ');
    expect(mail?.envelope.to).toEqual([to]);
    expect(mail?.headers.filter(({ key }) => ['to', 'from', 'bcc', 'cc', 'subject'].includes(key))).toHaveLength(3);
    expect(mail?.to).toMatchObject([{ name: shown, address: to }]);
    expect(mail?.from).toMatchObject({ name: `${shown} via Tenantry`, address: 'no-reply@tenantry.example' });
    expect(mail?.subject).toBe(`${shown} invites you to ${shown}`);
    expect(mail?.text).toContain(`${shown} invites you to ${shown} as member.`);
    expect(mail?.html).toContain(`${html} invites you to ${html} as member.`);
  });

  it.each([
    'a@b.example\r\nBcc: x@y.example',
    'a@b.example, c@d.example',
    'Ann <a@b.example>',
    '<a@b.example>',
    'a b@c.example',
    '"a b"@c.example',
    'a@',
    '@b.example',
    'a..b@c.example',
    'a@b.example\0',
    `${'a'.repeat(250)}@b.example`,
  ])('refuses the address %j before anything is stored', async (address) => {
    const refused = send(t, acme, invitation(t, acme, address)).catch((error: unknown) => error);
    expect(await refused).toMatchObject({ status: 422, code: 'mail_address_invalid' } satisfies Partial<AppError>);
    expect(await state()).toEqual([]);
  });

  it('needs a tenant', async () => {
    const attempt = t.app.get(Mailer).send(invitation(t, acme, freshAddress()));
    await expect(attempt).rejects.toBeInstanceOf(TenantContextMissing);
  });

  it('renders every template with what it was given', async () => {
    const links = { action: t.app.get(MailLinks).linkFor(acme, '/account') };
    const when = '21 November 2026, 15:00 UTC';
    const requests: Omit<MailRequest<MailTemplate>, 'to'>[] = [
      { template: 'verify-email', data: { expires: 'tomorrow' }, links },
      { template: 'reset-password', data: { expires: 'in an hour' }, links },
      { template: 'password-changed', data: { when, address: '192.0.2.1' }, links },
      { template: 'password-changed', data: { when }, links },
      { template: 'new-device', data: { when, device: 'Firefox on Linux', address: '192.0.2.1' }, links },
      { template: 'mfa-changed', data: { change: 'disabled', when }, links },
      { template: 'email-changed', data: { new_email: 'new@mail.example', when }, links },
      { template: 'api-key-created', data: { key: 'ci', creator: 'Olga', when }, links },
      {
        template: 'impersonation-notice',
        data: { admin: 'Sam', user: 'Ann', reason: 'ticket 7', when, minutes: '30' },
        links,
      },
      {
        template: 'impersonation-request',
        data: { admin: 'Sam', user: 'Ann', reason: 'ticket 8', when, minutes: '20' },
        links,
      },
    ];
    for (const request of requests) {
      const to = freshAddress();
      await send(t, acme, { ...request, to: { address: to } });
      await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
      const [mail] = smtp.to(to);
      for (const value of [...Object.values(request.data).map(String), links.action]) {
        expect(mail?.text).toContain(value);
        expect(mail?.html).toContain(value);
      }
      expect(`${mail?.subject}${mail?.text}${mail?.html}`).not.toMatch(/\{\{|\{%|undefined|null/);
    }
  });

  describe('from the platform', () => {
    it('lists tenants, bears no tenant’s name as sender, and is tried again', async () => {
      const to = freshAddress();
      verdicts.set(to, (attempt) => (attempt === 1 ? { code: 421, text: 'busy' } : undefined));
      const links = t.app.get(MailLinks);
      const tenants = [acme, globex].map((tenant) => ({
        name: `${tenant.name} & <b>`,
        url: links.linkFor(tenant, '/'),
      }));
      // A platform mail has nothing to do with the unit of work it is sent in.
      await t.app.get(TenantRunner).run(acme, () =>
        t.app.get(TenantTransaction).run(async () => {
          t.app
            .get(Mailer)
            .sendAsPlatform({ template: 'which-tenants', to: { address: to }, data: { tenants }, links: {} });
          await aWhile();
        }),
      );
      await expect.poll(() => smtp.to(to).length, eventually).toBe(1);
      const [mail] = smtp.to(to);
      expect(asked.get(to)).toBe(2);
      expect(mail?.from).toMatchObject({ name: 'Tenantry', address: 'no-reply@tenantry.example' });
      for (const { name, url } of tenants) {
        expect(mail?.text).toContain(`- ${name}: ${url}`);
        expect(mail?.html).toContain(
          `<a href="${url}" style="color:#0b57d0">${name.replace('& <b>', '&amp; &lt;b&gt;')}</a>`,
        );
      }
    });
  });
});

describe('the SMTP connection', () => {
  it('refuses a server off this machine that offers no TLS, and uses TLS where it is offered', async () => {
    const plain = await startSmtp({ disabledCommands: ['STARTTLS'] });
    // The unspecified address reaches this machine without being called loopback.
    const t = await createTestApp({ SMTP_URL: `smtp://0.0.0.0:${plain.port}` });
    try {
      await send(t, await t.tenant('acme'), invitation(t, await t.tenant('acme'), 'ann@mail.example'));
      await expect
        .poll(
          async () => (await t.database.admin<{ e: string }>('SELECT last_error AS e FROM shared.outbox_events'))[0]?.e,
          eventually,
        )
        .toMatch(/^smtp ETLS/);
      expect(plain.mails).toEqual([]);
      expect(plain.attempts()).toBe(0);
    } finally {
      await t.close();
      await plain.close();
    }
  });

  it('signs in with what SMTP_URL says, over TLS', async () => {
    const seen: unknown[] = [];
    const smtp = await startSmtp({
      authOptional: false,
      onAuth({ username, password }, session, callback) {
        seen.push([username, password, session.secure]);
        callback(null, { user: username });
      },
    });
    const t = await createTestApp({ SMTP_URL: smtp.url.replace('//', '//me%40x:p%2Fw@') });
    try {
      await send(t, await t.tenant('acme'), invitation(t, await t.tenant('acme'), 'ann@mail.example'));
      await expect.poll(() => smtp.to('ann@mail.example').length, eventually).toBe(1);
      expect(seen).toEqual([['me@x', 'p/w', true]]);
      expect(smtp.mails[0]?.secure).toBe(true);
    } finally {
      await t.close();
      await smtp.close();
    }
  });
});

describe('a link in a mail', () => {
  const links = (source: NodeJS.ProcessEnv) => new MailLinks(parseEnv(source));
  const acme = { slug: 'acme', settings: {}, inherited: undefined };

  it.each([
    ['http://localhost:8001', 'localhost', 'http://acme.localhost:8001/reset#token=a'],
    ['https://example.com', 'example.com', 'https://acme.example.com/reset#token=a'],
    ['https://example.com:8443/', 'example.com', 'https://acme.example.com:8443/reset#token=a'],
    ['https://app.example.com', 'example.com', 'https://app.example.com/acme/reset#token=a'],
    ['https://app.example.com/tenantry/', 'localhost', 'https://app.example.com/tenantry/acme/reset#token=a'],
    ['http://127.0.0.1:8001', 'localhost', 'http://127.0.0.1:8001/acme/reset#token=a'],
  ])('from PUBLIC_URL %s and BASE_DOMAIN %s leads acme to %s', (publicUrl, baseDomain, link) => {
    const built = links({ PUBLIC_URL: publicUrl, BASE_DOMAIN: baseDomain }).linkFor(acme, '/reset', { token: 'a' });
    expect(built).toBe(link);
  });

  it.each([
    ['https://app.acme.example', 'https://app.acme.example/reset#token=a'],
    ['https://acme.example/app/', 'https://acme.example/app/reset#token=a'],
    ['http://localhost:3000', 'http://localhost:3000/reset#token=a'],
    ['http://app.acme.example', 'http://acme.localhost:8001/reset#token=a'],
    ['javascript:alert(1)', 'http://acme.localhost:8001/reset#token=a'],
    ['https://user:secret@app.acme.example', 'http://acme.localhost:8001/reset#token=a'],
    ['https://app.acme.example/?to=', 'http://acme.localhost:8001/reset#token=a'],
    [7, 'http://acme.localhost:8001/reset#token=a'],
  ])('leads to the front end of acme where app.url is %s, if tokens may go there', (url, link) => {
    expect(links({}).linkFor({ ...acme, settings: { 'app.url': url } }, '/reset', { token: 'a' })).toBe(link);
  });

  it('keeps what it is given in the fragment, whatever it holds', () => {
    const token = 'a&b=c#d /?é';
    const url = new URL(links({}).linkFor(acme, '/reset', { token }));
    expect([url.pathname, url.search]).toEqual(['/reset', '']);
    expect(new URLSearchParams(url.hash.slice(1)).get('token')).toBe(token);
    expect(() => links({}).linkFor(acme, 'reset')).toThrow(/slash/);
    expect(links({}).platformLink('/where')).toBe('http://localhost:8001/where');
  });
});
