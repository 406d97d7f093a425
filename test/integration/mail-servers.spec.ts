import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mailer, MailLinks, type MailTemplate, type MailRequest } from '../../src/mail/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { makeCertificate, type TestCertificate, trust } from '../kit/certificates.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const PASSWORD = 'the-password-of-acme';

describe("a tenant's own mail server", () => {
  let t: TestApp;
  let certificate: TestCertificate;
  let platform: TestSmtp;
  let own: TestSmtp;
  let acme: SignedIn;
  let signedIn: unknown[];
  let refusesSender = false;
  let count = 0;
  const fresh = () => `person-${(count += 1)}@mail.example`;
  const start = (port = 0) =>
    startSmtp({
      ...certificate,
      port,
      authMethods: ['PLAIN'],
      onAuth({ username, password }, _session, callback) {
        signedIn.push([username, password]);
        if (password === PASSWORD) callback(null, { user: username });
        else callback(Object.assign(new Error(`not the password: ${password}`), { responseCode: 535 }));
      },
      onMailFrom({ address }, _session, callback) {
        callback(refusesSender ? Object.assign(new Error(`not ${address}`), { responseCode: 553 }) : null);
      },
    });

  const send = async <T extends MailTemplate>(
    slug: string,
    mail: Omit<MailRequest<T>, 'to' | 'links'>,
    to = fresh(),
  ) => {
    const tenant = await t.tenant(slug);
    const links = { action: t.app.get(MailLinks).linkFor(tenant, '/') };
    await t.app
      .get(TenantRunner)
      .run(tenant, () => t.app.get(Mailer).send({ ...mail, links, to: { address: to } } as MailRequest<T>));
    return to;
  };
  const verification = { template: 'verify-email' as const, data: { expires: 'tomorrow' } };
  const set = async (settings: Record<string, unknown>) => {
    const answer = await acme.send('PATCH', '/api/config', { settings });
    expect(answer.status, answer.text).toBe(200);
  };
  const health = async () => {
    const { items } = (await acme.get('/api/resources')).json as { items: { name: string }[] };
    return items.find(({ name }) => name === 'mail_server');
  };
  const check = async () => (await acme.send('POST', '/api/resources/mail_server/check')).json;
  const arrives = (server: () => TestSmtp, to: string) => expect.poll(() => server().to(to).length).toBe(1);
  const use = (server: TestSmtp, more: Record<string, unknown> = {}) =>
    set({ 'mail.smtp_host': '127.0.0.1', 'mail.smtp_port': server.port, 'mail.from': 'hello@acme.example', ...more });

  beforeAll(async () => {
    certificate = await makeCertificate();
    trust(certificate);
    platform = await startSmtp();
    t = await createTestApp({
      ...ROOT_ENV,
      SMTP_URL: platform.url,
      MAIL_FROM: 'Tenantry <no-reply@tenantry.example>',
      OUTBOUND_ALLOW: '127.0.0.1/32',
    });
    acme = await signIn(t, 'acme', 'owner');
  });
  beforeEach(async () => {
    signedIn = [];
    refusesSender = false;
    own = await start();
  });
  afterEach(async () => {
    await t.database.admin('DELETE FROM shared.outbox_events');
    await t.database.admin(`UPDATE platform.tenants SET settings = '{}' WHERE slug = 'acme'`);
    await t.database.admin(`UPDATE platform.platform_settings SET settings = '{}'`);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect.poll(async () => (await health()) && (await t.tenant('acme')).settings).toEqual({});
    await own.close();
  });
  afterAll(async () => {
    await t.close();
    await platform.close();
  });

  it("sends acme's mail under TLS from acme's address, and nobody else's", async () => {
    await use(own, { 'mail.smtp_user': 'acme', 'mail.smtp_password': PASSWORD, 'branding.name': 'Acme Labs' });
    const [ofAcme, ofGlobex] = [await send('acme', verification), await send('globex', verification)];
    await arrives(() => own, ofAcme);
    await arrives(() => platform, ofGlobex);
    const [mail] = own.to(ofAcme);
    expect(mail?.from).toMatchObject({ name: 'Acme Labs', address: 'hello@acme.example' });
    expect([mail?.envelope.from, mail?.secure]).toEqual(['hello@acme.example', true]);
    expect(mail?.messageId).toMatch(/@acme\.example>$/);
    expect([platform.to(ofAcme), own.to(ofGlobex)]).toEqual([[], []]);
    expect(new Set(signedIn.map(String))).toEqual(new Set([`acme,${PASSWORD}`]));
    expect(await health()).toMatchObject({ state: 'ok', last_error: null });
  });

  it("of the operator sends acme's mail from no address of acme's choice, and none is missing", async () => {
    const settings = { 'mail.smtp_host': '127.0.0.1', 'mail.smtp_port': own.port };
    await t.database.admin('UPDATE platform.platform_settings SET settings = $1', [JSON.stringify(settings)]);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await set({ 'mail.from': 'ceo@globex.example' });
    await expect.poll(async () => (await health())?.['state' as never]).not.toBe('not_set_up');
    const to = await send('acme', verification);
    await arrives(() => own, to);
    expect(own.to(to)[0]?.envelope.from).toBe('no-reply@tenantry.example');
  });

  it("does not send what the platform tells acme's owners", async () => {
    await use(own);
    const mails = [
      { template: 'trial-ends' as const, data: { tenant: 'Acme', date: 'tomorrow' } },
      { template: 'api-key-created' as const, data: { key: 'ci', creator: 'Olga', when: 'now' } },
    ];
    for (const mail of mails) await arrives(() => platform, await send('acme', mail));
    expect(own.attempts()).toBe(0);
  });

  it('is another from the next mail on when acme names another', async () => {
    await use(own);
    await arrives(() => own, await send('acme', verification));
    const other = await start();
    try {
      await use(other);
      await arrives(() => other, await send('acme', verification));
      await set({ 'mail.smtp_host': null });
      await arrives(() => platform, await send('acme', verification));
    } finally {
      await other.close();
    }
  });

  it("keeps acme's mails waiting while it is down, and harms no mail of globex or the platform", async () => {
    const { port } = own;
    await own.close();
    await use({ ...own, port });
    const waiting = await send('acme', verification);
    await arrives(() => platform, await send('globex', verification));
    await expect.poll(health).toMatchObject({
      state: 'failing',
      last_error: 'It cannot be reached at mail.smtp_host and mail.smtp_port.',
    });
    const [left] = await t.database.admin<{ last_error: string }>('SELECT last_error FROM shared.outbox_events');
    expect(left?.last_error).toContain('It cannot be reached');
    expect(platform.to(waiting)).toEqual([]);
    own = await start(port);
    await t.database.admin('UPDATE shared.outbox_events SET next_attempt_at = now()');
    await arrives(() => own, waiting);
  });

  it("tells acme's admin what is wrong, in words, and neither password nor what the server said", async () => {
    await use(own, { 'mail.smtp_user': 'acme', 'mail.smtp_password': 'wrong-password' });
    const told = { state: 'failing', last_error: 'It did not take mail.smtp_user and mail.smtp_password.' };
    expect(await check()).toMatchObject(told);
    expect(await health()).toMatchObject(told);
    expect(signedIn).toContainEqual(['acme', 'wrong-password']);

    await set({ 'mail.smtp_password': PASSWORD });
    expect(await check()).toMatchObject({ state: 'ok' });
    await set({ 'mail.from': null });
    expect(await check()).toMatchObject({ last_error: expect.stringContaining('mail.from is not set') });
    await set({ 'mail.from': 'hello@acme.example', 'mail.smtp_security': 'tls' });
    expect(await check()).toMatchObject({
      last_error: 'It does not speak TLS the way mail.smtp_security says.',
    });
    refusesSender = true;
    await set({ 'mail.smtp_security': 'starttls' });
    await send('acme', verification);
    await expect
      .poll(health)
      .toMatchObject({ state: 'failing', last_error: 'It does not send from the address in mail.from.' });
    // The settings can be repaired: nothing is given up yet.
    await expect
      .poll(() => t.database.admin('SELECT dead_at, last_error FROM shared.outbox_events'))
      .toEqual([{ dead_at: null, last_error: 'smtp EENVELOPE 553' }]);
    expect(t.logs.join('')).not.toMatch(/wrong-password|the-password-of-acme/);
  });

  it('is reached at no address that the operator does not allow', async () => {
    for (const host of ['127.0.0.2', '10.0.0.1', '169.254.169.254', '::1', '127.1.1']) {
      await use(own, { 'mail.smtp_host': host });
      expect(await check()).toMatchObject({
        state: 'failing',
        last_error: `The host "${host}" has no address that may be connected to.`,
      });
    }
    for (const host of ['a b', 'http://x', 'x:25', '-x', '../x']) {
      const answer = await acme.send('PUT', '/api/config/mail.smtp_host', { value: host });
      expect([host, answer.status]).toEqual([host, 422]);
    }
  });

  it('is refused where its certificate is not trusted, and may be plain where the operator allows its network', async () => {
    const untrusted = await startSmtp();
    try {
      await use(untrusted);
      expect(await check()).toMatchObject({
        state: 'failing',
        last_error: expect.stringContaining('Its certificate is not trusted'),
      });
      await set({ 'mail.smtp_security': 'plain' });
      const to = await send('acme', verification);
      await arrives(() => untrusted, to);
      expect(untrusted.to(to)[0]?.secure).toBe(false);
    } finally {
      await untrusted.close();
    }
  });

  it("never gets the operator's password when acme itself names it", async () => {
    const root = await signInAdmin(t);
    for (const [key, value] of [
      ['mail.smtp_user', 'operator'],
      ['mail.smtp_password', PASSWORD],
    ]) {
      expect((await root.send('PUT', `/api/admin/config/${key}`, { value })).status).toBe(200);
    }
    await use(own);
    expect(await check()).toMatchObject({ state: 'failing' });
    expect(signedIn.flat()).not.toContain(PASSWORD);
  });

  it('gets no password that was entered for another, in whatever order, until it is entered again', async () => {
    const mailServer = async () => (await acme.get('/api/config/mail.smtp_password')).json;
    const needed = 'mail.smtp_password was entered for another address and is not sent to this one: enter it again.';
    const refused = { state: 'failing', last_error: needed };
    await use(own, { 'mail.smtp_user': 'acme', 'mail.smtp_password': PASSWORD });
    expect(await check()).toMatchObject({ state: 'ok' });
    expect(await mailServer()).toMatchObject({ set: true, needed: false });
    const other = await start();
    try {
      signedIn = [];
      await use(other);
      expect(await check()).toMatchObject(refused);
      expect(await mailServer()).toMatchObject({ set: true, needed: true });
      // By way of no server, and of one's own password, with the former one brought back from the history.
      await set({ 'mail.smtp_host': null });
      await use(other);
      expect(await check()).toMatchObject(refused);
      await set({ 'mail.smtp_password': 'of another' });
      expect(await mailServer()).toMatchObject({ needed: false });
      const [, former] = (await acme.get('/api/config/mail.smtp_password/history')).json.items as { id: string }[];
      const restore = { change_id: former!.id };
      expect((await acme.send('POST', '/api/config/mail.smtp_password/restore', restore)).status).toBe(200);
      expect(await check()).toMatchObject(refused);
      expect(signedIn).toEqual([]);
      // The same as before is what it was entered for.
      await use(own);
      expect(await check()).toMatchObject({ state: 'ok' });
      await use(other, { 'mail.smtp_password': PASSWORD });
      expect(await check()).toMatchObject({ state: 'ok' });
    } finally {
      await other.close();
    }
  });

  it("is an owner's to name, who could read links that sign people in", async () => {
    const admin = await signIn(t, 'acme', 'admin');
    for (const key of ['mail.smtp_host', 'mail.smtp_password', 'mail.from']) {
      const answer = await admin.send('PUT', `/api/config/${key}`, { value: 'hello@acme.example' });
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }
    const answer = await admin.send('PUT', '/api/config/mail.smtp_host', { value: 'smtp.acme.example' });
    expect([answer.status, answer.json.code]).toEqual([403, 'setting_not_yours']);
  });
});
