import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PlatformAudit } from '../../src/audit/index.js';
import { ARCHIVE_TYPE, ArchiveSpool } from '../../src/tenant/index.js';
import { runCommand } from '../kit/command-line.js';
import { addAdmin, ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { signIn, signInAs } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const PASSPHRASE = 'nine green umbrellas in the rain';

let t: TestApp;
let admin: SignedInAdmin;
let folder: string;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-archives-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await t.close();
});

const url = (route: string): string => `http://127.0.0.1:${t.port}${route}`;

async function download(route: string, headers: Record<string, string>, body: object = {}) {
  const answer = await fetch(url(route), {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
}

async function upload(bytes: Buffer, query: string, passphrase?: string, as = admin) {
  const headers = {
    ...as.headers,
    'content-type': ARCHIVE_TYPE,
    ...(passphrase && { 'archive-passphrase': encodeURIComponent(passphrase) }),
  };
  const answer = await fetch(url(`/api/admin/tenants/imports?${query}`), {
    method: 'POST',
    headers,
    body: new Uint8Array(bytes),
  });
  return { status: answer.status, json: (await answer.json()) as Record<string, never> };
}

const spooled = (): Promise<string[]> => readdir(path.join(t.database.env.dataDir, 'archives')).catch(() => []);

async function said(conversation: string): Promise<void> {
  const session = await t.session('acme');
  const body = { tenant_id: 'acme', session_id: session, message: conversation };
  expect((await t.request('POST', '/chat', { body })).status).toBe(200);
}

describe('an admin', () => {
  it('downloads acme and makes a new tenant of it, where its people sign in with the passwords that they have', async () => {
    await said('What did the umbrella say?');
    const { status, headers, bytes } = await download('/api/admin/tenants/acme/exports', admin.headers, {
      passphrase: PASSPHRASE,
    });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe(ARCHIVE_TYPE);
    expect(headers.get('content-disposition')).toBe('attachment; filename="acme.tenant"');
    expect(bytes.length).toBe(Number(headers.get('content-length')));
    expect(bytes.includes('umbrella')).toBe(false);
    const made = await upload(bytes, 'slug=acme-two&name=Acme%20Two', PASSPHRASE);
    expect(made.status, JSON.stringify(made.json)).toBe(201);
    expect(made.json).toMatchObject({ tenant: { slug: 'acme-two', name: 'Acme Two', status: 'active' } });
    const login = { email: 'owner@acme.example', password: 'demo-password' };
    const [here, there] = await Promise.all(
      ['acme', 'acme-two'].map((slug) =>
        t.request('POST', '/api/auth/login', { headers: { 'x-tenant-id': slug }, body: login }),
      ),
    );
    expect([here?.status, there?.status]).toEqual([200, 200]);
    await expect.poll(spooled).toEqual([]);
    const events = await t.database.admin<{ event: string }>(
      `SELECT event FROM platform.audit_events WHERE event LIKE 'tenant.%' AND actor_kind = 'platform-admin' ORDER BY id`,
    );
    expect(events.map(({ event }) => event)).toEqual(['tenant.exported', 'tenant.created', 'tenant.activated']);
  });

  it('takes the custom fields of globex along: which there are, and what its users and chat sessions have', async () => {
    const declared = {
      users: {
        properties: {
          plan: { type: 'string', enum: ['gold', 'silver'], title: 'Plan' },
          seats: { type: 'integer', maximum: 9 },
          tags: { type: 'array', items: { enum: ['eu', 'us'] } },
        },
        required: ['plan'],
      },
      sessions: { properties: { topic: { type: 'string' }, urgent: { type: 'boolean' } } },
    };
    const ofUser = { plan: 'gold', seats: 7, tags: ['us', 'eu'] };
    const ofSession = { topic: 'billing "ü"', urgent: false };
    const [owner, member] = [await signIn(t, 'globex', 'owner'), await signIn(t, 'globex', 'member')];
    for (const [rows, value] of Object.entries(declared)) {
      expect((await owner.send('PUT', `/api/config/fields.${rows}`, { value })).status).toBe(200);
    }
    const { id } = (await member.get('/api/auth/me')).json;
    expect((await owner.send('PATCH', `/api/users/${id}`, { custom_fields: ofUser })).status).toBe(200);
    expect((await member.send('POST', '/session', { custom_fields: ofSession })).status).toBe(201);
    const route = '/api/admin/tenants/globex/exports';
    const { bytes } = await download(route, admin.headers, { passphrase: PASSPHRASE });
    const made = await upload(bytes, 'slug=globex-two', PASSPHRASE);
    expect(made.status, JSON.stringify(made.json)).toBe(201);

    const [there, person] = await Promise.all(
      ['owner', 'member'].map((role) => signInAs(t, 'globex-two', `${role}@globex.example`, 'demo-password')),
    );
    for (const [rows, value] of Object.entries(declared)) {
      expect((await there!.get(`/api/config/fields.${rows}`)).json).toMatchObject({ value, source: 'tenant' });
    }
    const found = (await there!.get('/api/users?custom_fields[seats][gte]=7&custom_fields[tags]=us')).json.items;
    expect(found).toMatchObject([{ email: 'member@globex.example', custom_fields: ofUser }]);
    const sessions = (await person!.get('/api/sessions?custom_fields[urgent]=false')).json.items;
    expect(sessions).toMatchObject([{ custom_fields: ofSession }]);
    const wrong = await there!.send('PATCH', `/api/users/${found[0].id}`, { custom_fields: { seats: 10 } });
    expect([wrong.status, wrong.json.code]).toEqual([422, 'invalid_custom_field']);
    for (const who of [member, person!]) {
      const { json } = await who.get('/api/auth/me/data');
      expect(json.profile.custom_fields).toEqual(ofUser);
      expect(json.sessions.map((it: { custom_fields: object }) => it.custom_fields)).toEqual([ofSession]);
    }
  });

  it('makes one archive of acme at a time', async () => {
    const route = '/api/admin/tenants/acme/exports';
    const asked = [1, 2, 3].map(() => download(route, admin.headers, { passphrase: PASSPHRASE }));
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect([refused.headers.get('retry-after'), refused.bytes.includes('export_running')]).toEqual(['30', true]);
    expect((await download(route, admin.headers)).status).toBe(200);
  });

  it('is told what is wrong with an upload, and nothing is made of it', async () => {
    const { bytes } = await download('/api/admin/tenants/acme/exports', admin.headers, { passphrase: PASSPHRASE });
    expect(await upload(bytes, 'slug=globex', PASSPHRASE)).toMatchObject({ status: 409, json: { code: 'slug_taken' } });
    expect(await upload(bytes, 'slug=x', 'not the passphrase')).toMatchObject({
      status: 422,
      json: { code: 'archive_sealed' },
    });
    expect(await upload(bytes.subarray(0, 700), 'slug=x', PASSPHRASE)).toMatchObject({ status: 422 });
    expect(await upload(Buffer.from('{}'), 'slug=x')).toMatchObject({ status: 422, json: { code: 'archive_invalid' } });
    expect(await upload(bytes, 'as=same', PASSPHRASE)).toMatchObject({ status: 409, json: { code: 'tenant_present' } });
    expect(await upload(bytes, 'as=other', PASSPHRASE)).toMatchObject({
      status: 422,
      json: { code: 'validation_failed' },
    });
    expect(await t.database.admin(`SELECT 1 FROM platform.slugs WHERE slug = 'x'`)).toEqual([]);
    await expect.poll(spooled).toEqual([]);
  });

  it('makes archives of two tenants at a time', async () => {
    const asked = ['acme', 'globex', 'initech'].map((slug) =>
      download(`/api/admin/tenants/${slug}/exports`, admin.headers, { passphrase: PASSPHRASE }),
    );
    expect((await Promise.all(asked)).map(({ status }) => status).sort()).toEqual([200, 200, 429]);
  });

  it('is given nothing that is not in the log', async () => {
    const record = vi.spyOn(t.app.get(PlatformAudit), 'record').mockRejectedValueOnce(new Error('the log is full'));
    expect((await download('/api/admin/tenants/acme/exports', admin.headers)).status).toBe(500);
    record.mockRestore();
    await expect.poll(spooled).toEqual([]);
    expect((await download('/api/admin/tenants/acme/exports', admin.headers)).status).toBe(200);
  });

  it('who hangs up before a download leaves nothing, and another one may follow', async () => {
    const lock = new pg.Client({ connectionString: t.database.adminUrl });
    await lock.connect();
    await lock.query('BEGIN');
    await lock.query('LOCK TABLE shared.chat_messages IN ACCESS EXCLUSIVE MODE');
    const impatient = new AbortController();
    const asked = fetch(url('/api/admin/tenants/acme/exports'), {
      method: 'POST',
      headers: { ...admin.headers, 'content-type': 'application/json' },
      body: '{}',
      signal: impatient.signal,
    });
    await expect.poll(async () => (await spooled()).length).toBe(1);
    impatient.abort();
    await expect(asked).rejects.toThrow('abort');
    await lock.end();
    await expect.poll(spooled).toEqual([]);
    await expect.poll(async () => (await download('/api/admin/tenants/acme/exports', admin.headers)).status).toBe(200);
  });

  it('finds nothing of what a process left that died a day ago; what is on its way stays', async () => {
    const [left, fresh, other] = ['left.part', 'fresh.part', 'other'].map((name) =>
      path.join(t.database.env.dataDir, 'archives', name),
    ) as [string, string, string];
    for (const file of [left, fresh, other]) await writeFile(file, 'x');
    const longAgo = Date.now() / 1000 - 90_000;
    await Promise.all([left, other].map((file) => utimes(file, longAgo, longAgo)));
    await t.app.get(ArchiveSpool).sweep();
    expect((await spooled()).sort()).toEqual(['fresh.part', 'other']);
    await Promise.all([rm(fresh), rm(other)]);
  });

  it('who hangs up in the middle of an upload leaves nothing', async () => {
    const socket = net.connect(t.port, '127.0.0.1');
    socket.write(
      `POST /api/admin/tenants/imports?slug=half HTTP/1.1\r\nHost: x\r\nAuthorization: ${admin.headers['authorization']}\r\n` +
        `Content-Type: ${ARCHIVE_TYPE}\r\nContent-Length: 1000000\r\n\r\ntenantry-archive 1\n`,
    );
    await expect.poll(async () => (await spooled()).length).toBe(1);
    socket.destroy();
    await expect.poll(spooled).toEqual([]);
    expect(await t.database.admin(`SELECT 1 FROM platform.slugs WHERE slug = 'half'`)).toEqual([]);
  });

  it('who may only read does neither', async () => {
    const reader = await addAdmin(t, admin, 'reader', 'read-only');
    expect((await download('/api/admin/tenants/acme/exports', reader.headers)).status).toBe(403);
    expect((await upload(Buffer.from('x'), 'slug=y', undefined, reader)).status).toBe(403);
  });
});

describe('an owner', () => {
  it('takes along all that initech has, also while it is suspended; nobody else of it does', async () => {
    const [owner, member] = [await signIn(t, 'initech', 'owner'), await signIn(t, 'initech', 'admin')];
    expect((await download('/api/tenant/exports', member.headers)).status).toBe(403);
    const suspended = await admin.send('POST', '/api/admin/tenants/initech/suspend', { reason: 'A test' });
    expect(suspended.status).toBe(200);
    const { status, bytes } = await download('/api/tenant/exports', owner.headers);
    expect(status).toBe(200);
    const made = await upload(bytes, 'slug=initech-home');
    expect(made.json).toMatchObject({ tenant: { slug: 'initech-home' } });
    const sealed = await download('/api/tenant/exports', owner.headers, { passphrase: PASSPHRASE });
    expect((await upload(sealed.bytes, 'slug=initech-sealed', PASSPHRASE)).status).toBe(201);
    const secrets = await t.database.admin<{ n: number; secrets: number }>(
      `SELECT count(*)::int AS n, count(coalesce(password_hash, mfa_secret::text))::int AS secrets
         FROM everywhere.users WHERE tenant_id = $1`,
      [(await t.tenant('initech-sealed')).id],
    );
    expect(secrets).toEqual([{ n: expect.any(Number) as number, secrets: 0 }]);
    expect(secrets[0]!.n).toBeGreaterThan(1);
    const logged = await t.database.admin<{ tenant_id: string }>(
      `SELECT tenant_id FROM everywhere.audit_events WHERE event = 'tenant.exported'`,
    );
    const { id } = await t.tenant('initech');
    expect([...new Set(logged.map((row) => row.tenant_id))]).toContain(id);
    expect(logged.filter((row) => row.tenant_id === id)).toHaveLength(2);
  });
});

describe('the command line', () => {
  it('takes a tenant out and in', { timeout: 240_000 }, async () => {
    const env = {
      DATABASE_URL: t.database.adminUrl,
      DATA_DIR: t.database.env.dataDir,
      MASTER_KEY: 'a-master-key-for-tests-of-32-characters',
      DEMO: 'on',
    };
    const [out, secret] = [path.join(folder, 'acme.tenant'), path.join(folder, 'passphrase')];
    await writeFile(secret, `${PASSPHRASE}\n`);
    const exported = await runCommand(
      env,
      'tenants',
      'export',
      'acme',
      '--out',
      out,
      '--passphrase-file',
      secret,
      '--json',
    );
    expect(exported.code, exported.stderr).toBe(0);
    expect(exported.json.manifest).toMatchObject({ secrets: 'sealed', tenant: { slug: 'acme' } });
    expect((await readFile(out)).length).toBeGreaterThan(500);
    const imported = await runCommand(
      env,
      'tenants',
      'import',
      out,
      '--slug',
      'acme-three',
      '--isolation',
      'schema',
      '--passphrase-file',
      secret,
    );
    expect(imported.code, imported.stderr).toBe(0);
    expect(imported.stdout).toContain('acme-three');
    const again = await runCommand(
      env,
      'tenants',
      'import',
      out,
      '--slug',
      'acme-three',
      '--passphrase-file',
      secret,
      '--json',
    );
    expect([again.code, again.problem.code]).toEqual([4, 'slug_taken']);
    const proof = await runCommand(env, 'tenants', 'prove-erased', 'acme', '--json');
    expect([proof.code, proof.problem.code]).toEqual([4, 'tenant_not_erased']);
  });
});
