import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QueryRunner } from 'typeorm';
import { RenameMailBrand1763600000116 } from '../../migrations/platform/1763600000116-rename-mail-brand.js';
import { MetricsService } from '../../src/metrics/index.js';
import { mailTo } from '../kit/team.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let t: TestApp;
let smtp: TestSmtp;
let admin: SignedIn;
let member: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ SMTP_URL: smtp.url });
  [admin, member, globex] = [
    await signIn(t, 'acme', 'admin'),
    await signIn(t, 'acme', 'member'),
    await signIn(t, 'globex', 'admin'),
  ];
});
afterAll(async () => {
  await t.close();
  await smtp.close();
});

/** 120 by 40 pixels. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAHgAAAAoCAIAAAC6iKlyAAAAUklEQVR42u3QQQ0AAAgEoMtgXHMayBbOBxsJSNdwIApEi0a0aNEWRItGtGjRFkSLRrRo0YgWjWjRohEtGtGiRSNaNKJFi0a0aESLFo1o0Yj+ZwHdqMl4f8n0XgAAAABJRU5ErkJggg==',
  'base64',
);
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const HOSTILE = `<script>alert(1)</script>"'\r\nBcc: x@y.example\u202e`;

const put = (by: SignedIn, body: Buffer | string, type = 'image/png', path = '/api/branding/logo') =>
  t.request('PUT', path, { headers: { ...by.headers, 'content-type': type }, body });
const ask = (path: string, headers: Record<string, string> = {}, tenant = 'acme') =>
  t.request('GET', path, { headers: { 'x-tenant-id': tenant, ...headers } });
const set = async (by: SignedIn, settings: Record<string, unknown>) => {
  const { status, text } = await by.send('PATCH', '/api/config', { settings });
  expect([status, text.slice(0, 200)]).toEqual([200, expect.any(String)]);
};
/** A mail of the tenant, with the text of its HTML part. */
const invite = async (by: SignedIn, address: string) => {
  expect((await by.send('POST', '/api/invitations', { email: address, role: 'member' })).status).toBe(201);
  return mailTo(smtp, address);
};

describe('the branding of a tenant', () => {
  it('is for anybody: its name and the colours of the service where it sets nothing', async () => {
    const answer = await ask('/api/branding');
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        name: 'Acme Corp',
        primary_color: '#0b57d0',
        on_primary_color: '#ffffff',
        accent_color: '#d0d7de',
        support_address: null,
        support_url: null,
        logo: null,
      },
    ]);
    expect(answer.headers['cache-control']).toBe('public, max-age=60');
    const { vary = '' } = answer.headers;
    expect(vary.split(', ')).toEqual(expect.arrayContaining(['Origin', 'X-Tenant-ID', 'Authorization']));
    expect((await ask('/api/branding', {}, 'nobody')).status).toBe(404);
    expect((await ask('/api/branding/logo')).json.code).toBe('logo_not_found');
  });

  it('is changed by an admin, and only to what is a colour, an address or a page', async () => {
    await set(admin, {
      'branding.name': 'Acme Labs',
      'branding.primary_color': '#FFCC00',
      'branding.accent_color': '#7a12d4',
      'branding.support_address': 'help@acme.example',
      'branding.support_url': 'https://help.acme.example/start?a=1&b=2',
    });
    expect((await ask('/api/branding')).json).toMatchObject({
      name: 'Acme Labs',
      primary_color: '#ffcc00',
      on_primary_color: '#000000',
      accent_color: '#7a12d4',
      support_address: 'help@acme.example',
      support_url: 'https://help.acme.example/start?a=1&b=2',
    });
    expect((await ask('/api/branding', {}, 'globex')).json).toMatchObject({
      name: 'Globex Inc.',
      support_address: null,
    });
    for (const [key, value] of [
      ['primary_color', 'red;background:url(//x.example)'],
      ['accent_color', '#12345'],
      ['support_address', 'a@b.example\r\nBcc: c@d.example'],
      ['support_url', 'javascript:alert(1)'],
    ] as const) {
      const refused = await admin.send('PUT', `/api/config/branding.${key}`, { value });
      expect([key, refused.status]).toEqual([key, 422]);
    }
    expect((await member.send('PUT', '/api/config/branding.name', { value: 'Mine' })).status).toBe(403);
  });
});

describe('what a tenant was called in mails', () => {
  it('is its branding.name after the migration, with its history, and the other way round', async () => {
    const query = (sql: string, values: unknown[]) =>
      t.database.admin(sql.replace('UPDATE ', 'UPDATE platform.'), values);
    const runner: Pick<QueryRunner, 'query'> = { query: query as QueryRunner['query'] };
    const migration = new RenameMailBrand1763600000116();
    await set(globex, { 'branding.name': 'Globex Labs' });
    const stored = async () => {
      const [row] = await t.database.admin<{ settings: Record<string, unknown>; keys: string[] }>(
        `SELECT settings, (SELECT array_agg(key) FROM platform.setting_changes WHERE tenant_id = t.id) AS keys
           FROM platform.tenants t WHERE slug = 'globex'`,
      );
      return [row?.settings['mail.brand'], row?.settings['branding.name'], row?.settings['welcome'], row?.keys];
    };
    await migration.down(runner as QueryRunner);
    expect(await stored()).toEqual(['Globex Labs', undefined, 'Welcome from Globex.', ['mail.brand']]);
    await migration.up(runner as QueryRunner);
    expect(await stored()).toEqual([undefined, 'Globex Labs', 'Welcome from Globex.', ['branding.name']]);
    await set(globex, { 'branding.name': null });
  });
});

describe('the logo of a tenant', () => {
  it('is a picture by its bytes, whatever it is declared as, and is served as nothing else', async () => {
    const answer = await put(admin, PNG, 'text/html');
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        url: expect.stringMatching(/^http:\/\/acme\.localhost:\d+\/api\/branding\/logo\?v=[\w-]{22}$/),
        media_type: 'image/png',
        width: 120,
        height: 40,
      },
    ]);
    expect((await ask('/api/branding')).json.logo).toEqual(answer.json);
    const served = await fetch(`http://127.0.0.1:${t.port}/acme/api/branding/logo`);
    expect(Buffer.from(await served.arrayBuffer()).equals(PNG)).toBe(true);
    expect(Object.fromEntries(served.headers)).toMatchObject({
      'content-type': 'image/png',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'cross-origin',
      'content-disposition': 'inline; filename="logo.png"',
      'cache-control': 'public, max-age=300',
      vary: expect.stringContaining('X-Tenant-ID'),
    });
    const etag = served.headers.get('etag') ?? '';
    const again = await ask('/api/branding/logo', { 'if-none-match': etag });
    expect([again.status, again.text, again.headers['etag']]).toEqual([304, '', etag]);
    expect((await ask('/api/branding/logo', { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await ask('/api/branding/logo', {}, 'globex')).status).toBe(404);
  });

  it.each<[string, Buffer | string, string, number, string]>([
    ['SVG', SVG, 'image/svg+xml', 422, 'logo_refused'],
    ['SVG that is called a PNG', SVG, 'image/png', 422, 'logo_refused'],
    ['SVG after an XML declaration', `<?xml version="1.0"?>${SVG}`, 'image/png', 422, 'logo_refused'],
    ['HTML', '<!doctype html><script>alert(1)</script>', 'image/png', 422, 'logo_refused'],
    ['JSON', '{"logo":"x"}', 'application/json', 422, 'logo_refused'],
    ['a PDF', '%PDF-1.7\n1 0 obj', 'image/png', 422, 'logo_refused'],
    ['an icon', Buffer.from('00000100010010100000', 'hex'), 'image/png', 422, 'logo_refused'],
    ['nothing', '', 'image/png', 422, 'logo_refused'],
    ['a PNG that breaks off', PNG.subarray(0, 18), 'image/png', 422, 'logo_refused'],
    ['a PNG of 5000 pixels', wide(5000), 'image/png', 422, 'logo_refused'],
    ['more than 256 KiB', Buffer.concat([PNG, Buffer.alloc(256 * 1024)]), 'image/png', 413, 'logo_too_large'],
  ])('is not %s', async (_, body, type, status, code) => {
    const before = (await ask('/api/branding')).json.logo;
    const refused = await put(admin, body, type);
    expect([refused.status, refused.json.code]).toEqual([status, code]);
    expect((await ask('/api/branding')).json.logo).toEqual(before);
  });

  it('is looked up once for all pages that show it within a minute, and at once after a change', async () => {
    const looks = async (): Promise<number> => {
      const found = await t.app.get(MetricsService).registry.getSingleMetric('tenantry_cache_operations_total')!.get();
      return found.values.find(({ labels }) => labels['result'] === 'miss')?.value ?? 0;
    };
    const shown = async () => (await ask('/api/branding')).json.logo?.media_type;
    expect((await put(admin, PNG)).status).toBe(200);
    const before = await looks();
    expect([await shown(), await shown(), await shown()]).toEqual(['image/png', 'image/png', 'image/png']);
    expect(await looks()).toBe(before + 1);
    expect((await put(admin, GIF, 'image/gif')).status).toBe(200);
    expect(await shown()).toBe('image/gif');
    expect((await admin.send('DELETE', '/api/branding/logo')).status).toBe(204);
    expect(await shown()).toBeUndefined();
    expect((await put(admin, PNG)).status).toBe(200);
  });

  it('is not more than 256 KiB either where its length is not said', async () => {
    const parts = (async function* () {
      for (let sent = 0; sent < 40; sent += 1) yield await Promise.resolve(sent === 0 ? PNG : Buffer.alloc(8192));
    })();
    const answer = await fetch(`http://127.0.0.1:${t.port}/api/branding/logo`, {
      method: 'PUT',
      headers: { ...admin.headers, 'content-type': 'image/png' },
      body: parts as never,
      duplex: 'half',
    });
    const problem = (await answer.json()) as { code: string };
    expect([answer.status, problem.code]).toEqual([413, 'logo_too_large']);
  });

  it('is for admins to set and to remove, each in the audit log, and the last of several at once is the one', async () => {
    expect((await put(member, PNG)).status).toBe(403);
    expect(
      (await t.request('PUT', '/api/branding/logo', { headers: { 'x-tenant-id': 'acme' }, body: PNG })).status,
    ).toBe(401);
    expect((await put(globex, PNG, 'image/png', '/acme/api/branding/logo')).status).toBe(404);
    const many = await Promise.all(Array.from({ length: 6 }, (_, i) => put(globex, i % 2 ? PNG : GIF)));
    expect(many.map(({ status }) => status)).toEqual(many.map(() => 200));
    expect((await put(globex, GIF)).json).toMatchObject({ media_type: 'image/gif', width: 1, height: 1 });
    const { id } = await t.tenant('globex');
    expect(await t.database.admin('SELECT 1 FROM everywhere.brand_logos WHERE tenant_id = $1', [id])).toHaveLength(1);
    expect((await member.send('DELETE', '/api/branding/logo')).status).toBe(403);
    expect((await globex.send('DELETE', '/api/branding/logo')).status).toBe(204);
    expect((await globex.send('DELETE', '/api/branding/logo')).status).toBe(404);
    const events = await t.database.admin<{ event: string }>(
      `SELECT event FROM everywhere.audit_events WHERE tenant_id = $1 AND event LIKE 'branding.%' ORDER BY id`,
      [id],
    );
    expect(events.map(({ event }) => event)).toEqual([
      ...Array<string>(7).fill('branding.logo_set'),
      'branding.logo_removed',
    ]);
    expect((await ask('/api/branding')).json.logo).toMatchObject({ width: 120 });
  });
});

describe('a mail', () => {
  it('of acme has its name, colours, support and logo, and of globex none of it', async () => {
    const mail = await invite(admin, 'branded@mail.example');
    const html = mail.html ?? '';
    expect(mail.from?.name).toMatch(/^Acme Labs via /);
    expect(html).toContain('background:#ffcc00;color:#000000');
    expect(html).toContain('2px solid #7a12d4');
    // The yellow of the button would not be read as a link on white.
    expect(html).not.toContain('color:#ffcc00;word-break');
    expect(html).toContain('href="mailto:help@acme.example"');
    expect(html).toContain('href="https://help.acme.example/start?a=1&amp;b=2"');
    expect(mail.text).toContain('Write to help@acme.example. Help is at https://help.acme.example/start?a=1&b=2.');
    const [picture] = mail.attachments;
    expect([mail.attachments.length, picture?.mimeType, picture?.disposition]).toEqual([1, 'image/png', 'inline']);
    expect(Buffer.from(picture?.content as ArrayBuffer).equals(PNG)).toBe(true);
    expect(html).toContain(`<img src="cid:${picture?.contentId?.slice(1, -1)}" alt="" width="120" height="40"`);
    const other = await invite(globex, 'plain@mail.example');
    expect([other.attachments, other.html]).toEqual([[], expect.not.stringMatching(/<img|Questions|ffcc00|acme/i)]);
    expect(other.html).toContain('background:#0b57d0;color:#ffffff');
  });

  it('holds a hostile name as text in its headers and in both parts', async () => {
    await set(admin, { 'branding.name': HOSTILE, 'branding.support_address': 'a?bcc=b&c@acme.example' });
    const mail = await invite(admin, 'hostile@mail.example');
    const { html = '', text = '' } = mail;
    expect(html).not.toMatch(/<script|\u202e/);
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39; Bcc: x@y.example');
    expect(text).toContain(`<script>alert(1)</script>"' Bcc: x@y.example`);
    expect(mail.header('bcc')).toBeUndefined();
    expect(mail.envelope.to).toEqual(['hostile@mail.example']);
    expect(html).toContain('href="mailto:a%3Fbcc%3Db%26c@acme.example"');
  });
});

describe('the address of a tenant, opened in a browser', () => {
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

  it('is a page in its looks, with everything hostile as text, where nothing runs', async () => {
    await set(admin, { 'branding.name': HOSTILE, welcome: '<img src=x onerror=alert(1)>' });
    const page = await t.request('GET', '/', { headers: { ...browser, host: 'acme.localhost' } });
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; img-src 'self'/);
    expect(page.headers['vary']).toContain('Accept');
    expect(page.text).not.toMatch(/<script|<img src=x|\u202e/);
    expect(page.text).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(page.text).toContain('<header style="height:6px;background:#ffcc00">');
    const [, source = ''] = /<img src="([^"]+)"/.exec(page.text) ?? [];
    const logo = await t.request('GET', source, { headers: { host: 'acme.localhost' } });
    expect([source, logo.status]).toEqual([expect.stringMatching(/^\/api\/branding\/logo\?v=/), 200]);
    const plain = await ask('/', browser, 'globex');
    expect([plain.text.includes('Globex Inc.'), plain.text.includes('<img')]).toEqual([true, false]);
  });

  it('is JSON for everybody else, as without a tenant', async () => {
    expect((await ask('/')).json.tenant.id).toBe('acme');
    expect((await ask('/', { accept: '*/*' })).json.tenant.id).toBe('acme');
    expect((await t.request('GET', '/', { headers: browser })).json.ok).toBe(true);
  });
});

function wide(pixels: number): Buffer {
  const copy = Buffer.from(PNG);
  copy.writeUInt32BE(pixels, 16);
  return copy;
}
