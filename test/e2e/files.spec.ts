import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstIdAt, newId } from '../../src/common/index.js';
import { FilePurge, FileSweep, TenantFiles } from '../../src/files/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { ARCHIVE_TYPE, TenantLifecycle } from '../../src/tenant/index.js';
import { download, fileRows, PNG, setSettings, storedFiles, upload } from '../kit/files.js';
import { holdRows } from '../kit/held-rows.js';
import { newPerson } from '../kit/people.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { signIn, signInAs, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess } from '../kit/test-process.js';

let t: TestApp;
let admin: SignedInAdmin;
let owner: SignedIn;
let member: SignedIn;
let memberId: string;
let acme: string;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
  owner = await signIn(t, 'acme', 'owner');
  const person = await newPerson(t, 'acme');
  memberId = person.id;
  member = await signInAs(t, 'acme', person.email, 'demo-password');
  acme = (await t.tenant('acme')).id;
});
afterAll(() => t.close());

const content = (id: string): string => `/api/files/${id}/content`;
const stored = async (bytes = PNG, name = 'umbrella.png', who = member): Promise<string> => {
  const answer = await upload(t, who, name, bytes);
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};
/** Everything of acme, so that a test begins with nothing. */
async function emptied(): Promise<void> {
  await t.database.admin('DELETE FROM everywhere.tenant_files WHERE tenant_id = $1', [acme]);
  await rm(path.join(t.database.env.filesDir!, 't', acme), { recursive: true, force: true });
}
const inAcme = async <T>(work: () => Promise<T>): Promise<T> =>
  t.app.get(TenantRunner).run(await t.tenant('acme'), work);
const nothingLeft = async (): Promise<void> => {
  await expect.poll(() => fileRows(t, acme)).toEqual([]);
  await expect.poll(() => storedFiles(t, acme)).toEqual([]);
};

describe('a member of acme', () => {
  it('uploads a file and downloads the same bytes, of the type that they are', async () => {
    const bytes = Buffer.concat([PNG, randomBytes(300_000)]);
    const answer = await upload(t, member, 'Regen schirm"/ü.png', bytes, { 'content-type': 'text/html' });
    expect(answer.status, answer.text).toBe(201);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const known = { media_type: 'image/png', bytes: bytes.length, sha256, uploaded_by: memberId };
    expect(answer.json).toMatchObject({ name: 'Regen schirm"/ü.png', ...known });
    expect(answer.headers['location']).toBe(`/api/files/${answer.json.id}`);
    const got = await download(t, content(answer.json.id), member.headers);
    expect(got.status).toBe(200);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(bytes.length),
      'content-disposition': `inline; filename="Regen schirm___.png"; filename*=UTF-8''Regen%20schirm%22_%C3%BC.png`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=0, no-transform',
      etag: `"${sha256}"`,
    });
    expect(got.headers['content-security-policy']).toMatch(/^sandbox; default-src 'none'/);
    expect((await member.get(`/api/files/${answer.json.id}`)).json).toEqual(answer.json);
    expect(await storedFiles(t, acme)).toEqual([answer.json.id]);
  });

  it('sees the own files in pages, an admin those of everybody, and globex none', async () => {
    await emptied();
    const own = [await stored(), await stored(), await stored()];
    const others = await stored(PNG, 'of-the-owner.png', owner);
    const first = (await member.get('/api/files?limit=2')).json;
    const second = (await member.get(`/api/files?limit=2&cursor=${first.next_cursor}`)).json;
    expect([...first.items, ...second.items].map(({ id }: { id: string }) => id)).toEqual([...own].reverse());
    expect(second.next_cursor).toBeNull();
    expect((await owner.get('/api/files')).json.items).toHaveLength(4);
    const stranger = await signIn(t, 'globex', 'owner');
    expect((await stranger.get('/api/files')).json.items).toEqual([]);
    for (const [who, id] of [
      [member, others],
      [stranger, own[0]!],
    ] as const) {
      for (const route of [`/api/files/${id}`, content(id)]) {
        expect((await who.get(route)).json.code).toBe('file_not_found');
      }
      expect((await who.send('POST', `/api/files/${id}/url`, {})).status).toBe(404);
      expect((await who.send('DELETE', `/api/files/${id}`)).status).toBe(404);
    }
    expect((await download(t, content(own[0]!), owner.headers)).status).toBe(200);
    expect((await t.request('GET', content(own[0]!), { headers: stranger.headers })).status).toBe(404);
  });

  it('deletes the own file, and it is gone with its bytes', async () => {
    await emptied();
    const id = await stored();
    expect((await member.send('DELETE', `/api/files/${id}`)).status).toBe(204);
    expect((await member.get(content(id))).status).toBe(404);
    expect((await member.send('DELETE', `/api/files/${id}`)).status).toBe(404);
    await nothingLeft();
  });

  it('uploads on the address of a path, too', async () => {
    const { authorization = '' } = member.headers;
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await t.request('POST', '/acme/api/files?name=data.json', { headers, body: Buffer.from('{"a":1}') });
    expect([answer.status, answer.json.media_type], answer.text).toEqual([201, 'text/plain']);
    expect(answer.headers['location']).toBe(`/acme/api/files/${answer.json.id}`);
  });

  it('leaves in the log what becomes of a file', async () => {
    await emptied();
    const id = await stored();
    expect((await member.send('POST', `/api/files/${id}/url`, { expires_in: 60 })).status).toBe(200);
    await member.send('DELETE', `/api/files/${id}`);
    const events = await t.database.admin(
      'SELECT event, actor_id FROM everywhere.audit_events WHERE target_id = $1 ORDER BY id',
      [id],
    );
    const by = { actor_id: memberId };
    expect(events).toEqual(['uploaded', 'shared', 'deleted'].map((what) => ({ event: `file.${what}`, ...by })));
  });

  it('reads a part of a file, and what is known already not again', async () => {
    const bytes = randomBytes(1000);
    const id = await stored(bytes, 'noise');
    const part = (range: string, more = {}) => download(t, content(id), { ...member.headers, range, ...more });
    const parts: [string, number, number][] = [
      ['bytes=0-99', 0, 99],
      ['bytes=990-', 990, 999],
      ['bytes=-5', 995, 999],
      ['bytes=900-5000', 900, 999],
    ];
    for (const [range, first, last] of parts) {
      const got = await part(range);
      expect([got.status, got.headers['content-range']]).toEqual([206, `bytes ${first}-${last}/1000`]);
      expect(got.bytes.equals(bytes.subarray(first, last + 1))).toBe(true);
    }
    const beyond = await part('bytes=1000-');
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */1000']);
    expect(beyond.headers['content-disposition']).toBeUndefined();
    for (const ignored of ['bytes=0-1,5-6', 'lines=1-2', 'bytes=9-3', 'bytes=x']) {
      expect((await part(ignored)).status).toBe(200);
    }
    const { etag } = (await part('bytes=0-0')).headers;
    expect((await part('bytes=0-9', { 'if-range': etag })).status).toBe(206);
    expect((await part('bytes=0-9', { 'if-range': '"another"' })).status).toBe(200);
    const known = await download(t, content(id), { ...member.headers, 'if-none-match': `W/${etag}` });
    expect([known.status, known.bytes.length]).toEqual([304, 0]);
    const head = await download(t, content(id), member.headers, 'HEAD');
    expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, '1000', 0]);
  });

  it.each([
    ['a page', '<!DOCTYPE html><script>alert(1)</script>', 'text/html'],
    ['a page behind a comment', '\ufeff \n<!-- x --><html>', 'text/html'],
    [
      'a drawing',
      '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
      'image/svg+xml',
    ],
    ['a bare drawing', '<svg onload="alert(1)">', 'image/svg+xml'],
    ['other markup', '<?xml version="1.0"?><feed/>', 'application/xml'],
    ['bytes of no known kind', '\0\x01\x02 unknown', 'application/octet-stream'],
  ])('that uploads %s as an image gets it back as an attachment', async (_, text, type) => {
    const answer = await upload(t, member, 'x.png', Buffer.from(text), { 'content-type': 'image/png' });
    expect(answer.json.media_type).toBe(type);
    const { headers } = await download(t, content(answer.json.id), member.headers);
    expect(headers['content-disposition']).toMatch(/^attachment; /);
    expect([headers['content-type'], headers['x-content-type-options']]).toEqual([type, 'nosniff']);
    expect(headers['content-security-policy']).toContain('sandbox');
  });

  it('uploads a text, whatever it is about, and an empty file', async () => {
    const text = await upload(t, member, 'notes.html', Buffer.from('ü is < than ö, says <b>'));
    expect(text.json.media_type).toBe('text/plain');
    const empty = await upload(t, member, 'empty', Buffer.alloc(0));
    expect(empty.json, empty.text).toMatchObject({ bytes: 0, media_type: 'text/plain' });
    expect((await download(t, content(empty.json.id), member.headers)).bytes).toEqual(Buffer.alloc(0));
    expect((await download(t, content(empty.json.id), { ...member.headers, range: 'bytes=0-' })).status).toBe(416);
  });

  it.each(['', '\0', 'a\nb', 'x'.repeat(256)])('cannot call a file %j', async (name) => {
    expect((await upload(t, member, name, PNG)).json.code).toBe('file_name_invalid');
  });
});

describe('a link to a file of acme', () => {
  const linkTo = async (id: string, body: object = {}): Promise<URL> => {
    const answer = await member.send('POST', `/api/files/${id}/url`, body);
    expect(answer.status, answer.text).toBe(200);
    return new URL(answer.json.url);
  };
  const follow = (url: URL, host = url.host) => download(t, url.pathname + url.search, { host });

  it('opens it for a browser that has no credential, on a page of any origin', async () => {
    const link = await linkTo(await stored());
    const got = await follow(link);
    expect([got.status, got.bytes.equals(PNG)]).toEqual([200, true]);
    expect(got.headers['cross-origin-resource-policy']).toBe('cross-origin');
    expect(got.headers['cache-control']).toMatch(/^private, max-age=3[56]\d\d,/);
  });

  it('opens nothing at globex, for another file, for longer, or changed in any way', async () => {
    const [id, other] = [await stored(), await stored()];
    const link = await linkTo(id);
    const changed = (change: (url: URL) => void): URL => {
      const url = new URL(link);
      change(url);
      return url;
    };
    const globex = link.host.replace('acme', 'globex');
    expect(globex).not.toBe(link.host);
    expect((await follow(link, globex)).status).toBe(403);
    const signature = link.searchParams.get('signature')!;
    const last = signature.at(-1)!;
    // Of the last character two bits count for nothing: a text that means the same bytes is another text.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = signature.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 8]!;
    for (const url of [
      changed((u) => (u.pathname = content(other))),
      changed((u) => u.searchParams.set('expires', String(Number(u.searchParams.get('expires')) + 1))),
      changed((u) => u.searchParams.set('signature', twin)),
      changed((u) => u.searchParams.set('signature', '')),
      changed((u) => u.searchParams.append('signature', signature)),
      changed((u) => u.searchParams.delete('expires')),
      changed((u) => (u.search = '')),
    ]) {
      const got = await follow(url);
      expect([got.status, JSON.parse(got.bytes.toString()).code]).toEqual([403, 'file_link_invalid']);
    }
    const gone = await linkTo(other);
    await member.send('DELETE', `/api/files/${other}`);
    expect((await follow(gone)).status).toBe(404);
  });

  it('ends when it is said to, and lasts seven days at most', async () => {
    const id = await stored();
    const link = await linkTo(id, { expires_in: 2 });
    expect((await follow(link)).status).toBe(200);
    await expect.poll(async () => (await follow(link)).status).toBe(403);
    for (const wrong of [0, 7 * 24 * 3600 + 1, 1.5, '60']) {
      expect((await member.send('POST', `/api/files/${id}/url`, { expires_in: wrong })).status).toBe(422);
    }
  });

  it('does not open it while the tenant is suspended', async () => {
    const link = await linkTo(await stored());
    await t.app.get(TenantLifecycle).apply('acme', 'suspend', { reason: 'for a test' });
    await expect.poll(async () => (await follow(link)).status).toBe(403);
    await t.app.get(TenantLifecycle).apply('acme', 'resume');
    await expect.poll(async () => (await follow(link)).status).toBe(200);
  });
});

describe('what acme may store', () => {
  beforeAll(emptied);
  afterAll(() => setSettings(t, 'acme', { 'files.max_bytes': 10_000_000, 'files.quota_bytes': 100_000_000 }));

  it('is bounded for each file, when its size is known before and when it is not', async () => {
    await setSettings(t, 'acme', { 'files.max_bytes': 200_000 });
    await expect.poll(async () => (await member.get('/api/files/usage')).json.max_bytes).toBe(200_000);
    const known = await upload(t, member, 'large', randomBytes(200_001));
    expect([known.status, known.json]).toMatchObject([413, { code: 'file_too_large', max_bytes: 200_000 }]);
    // As much comes before it is found out.
    const unknown = await upload(t, member, 'large', randomBytes(900_000), { 'transfer-encoding': 'chunked' });
    expect([unknown.status, unknown.json.code]).toEqual([413, 'file_too_large']);
    await nothingLeft();
    expect((await upload(t, member, 'fits', randomBytes(200_000), { 'transfer-encoding': 'chunked' })).status).toBe(
      201,
    );
  });

  it('is bounded for all together, also when many come at once', async () => {
    await emptied();
    await setSettings(t, 'acme', { 'files.max_bytes': 100_000, 'files.quota_bytes': 100_000 });
    await expect.poll(async () => (await member.get('/api/files/usage')).json.quota_bytes).toBe(100_000);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => upload(t, member, 'a third', randomBytes(30_000))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 413, 413, 413]);
    expect(answers.find(({ status }) => status === 413)!.json).toMatchObject({
      code: 'file_quota_exceeded',
      quota_bytes: 100_000,
    });
    expect((await member.get('/api/files/usage')).json).toEqual({
      files: 3,
      bytes: 90_000,
      quota_bytes: 100_000,
      max_bytes: 100_000,
      max_count: 10_000,
    });
    // What is left is room for an upload of unknown size, and no more than that.
    const chunked = { 'transfer-encoding': 'chunked' };
    expect((await upload(t, member, 'x', randomBytes(10_001), chunked)).json.code).toBe('file_quota_exceeded');
    expect((await upload(t, member, 'x', randomBytes(10_000), chunked)).status).toBe(201);
    expect((await upload(t, member, 'x', randomBytes(1), chunked)).json.code).toBe('file_quota_exceeded');
    expect(await storedFiles(t, acme)).toHaveLength(4);
    await emptied();
  });

  it('is bounded in number, also when many come at once, and an upload that failed is none', async () => {
    await emptied();
    await setSettings(t, 'acme', { 'files.max_count': 2 });
    await expect.poll(async () => (await member.get('/api/files/usage')).json.max_count).toBe(2);
    const answers = await Promise.all(Array.from({ length: 6 }, () => upload(t, member, 'small', randomBytes(1))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 413, 413, 413, 413]);
    const refused = { code: 'file_count_exceeded', max_count: 2 };
    expect(answers.find(({ status }) => status === 413)!.json).toMatchObject(refused);
    expect(await storedFiles(t, acme)).toHaveLength(2);
    await emptied();
    expect((await upload(t, member, 'small', randomBytes(1))).status).toBe(201);
    await setSettings(t, 'acme', { 'files.max_count': 10_000 });
    await expect.poll(async () => (await member.get('/api/files/usage')).json.max_count).toBe(10_000);
    await emptied();
  });

  it('is bounded by type, for acme and for who writes a module', async () => {
    await setSettings(t, 'acme', { 'files.types': ['image/*', 'application/pdf'] });
    await expect
      .poll(async () => (await upload(t, member, 'x', Buffer.from('text'))).json.code)
      .toBe('file_type_refused');
    expect((await upload(t, member, 'x', PNG)).status).toBe(201);
    expect((await upload(t, member, 'x', Buffer.from('%PDF-1.7\n'))).status).toBe(201);
    const put = (accept: string[]) =>
      inAcme(() => t.app.get(TenantFiles).put(Readable.from([PNG]), { name: 'x', accept }));
    await expect(put(['application/pdf'])).rejects.toMatchObject({ code: 'file_type_refused' });
    expect(await put(['image/png'])).toMatchObject({ state: 'stored', uploadedBy: null, uploaderKind: 'system' });
    await setSettings(t, 'acme', { 'files.types': [] });
    await expect.poll(async () => (await upload(t, member, 'x', Buffer.from('text'))).status).toBe(201);
  });
});

it('acme has eight uploads and 64 downloads at once, and globex its own', async () => {
  await emptied();
  const bytes = randomBytes(8 * 2 ** 20);
  const id = await stored(bytes);
  const files = t.app.get(TenantFiles);
  const open = () => inAcme(() => files.open(id));
  const opened = await Promise.all(Array.from({ length: 64 }, open));
  await expect(open()).rejects.toMatchObject({ status: 429, code: 'downloads_running' });
  const stranger = await signIn(t, 'globex', 'owner');
  const others = await upload(t, stranger, 'x', PNG);
  expect((await download(t, content(others.json.id), stranger.headers)).status).toBe(200);
  for (const { stream } of opened) stream.destroy();
  await expect.poll(async () => (await download(t, content(id), member.headers)).status).toBe(200);

  const held: (() => void)[] = [];
  async function* slow() {
    yield PNG;
    await new Promise<void>((resolve) => held.push(resolve));
  }
  const puts = Array.from({ length: 8 }, () => inAcme(() => files.put(slow(), { name: 'slow' })));
  await expect.poll(() => held.length).toBe(8);
  expect((await upload(t, member, 'x', PNG)).json.code).toBe('uploads_running');
  for (const resolve of held) resolve();
  await Promise.all(puts);
  expect((await upload(t, member, 'x', PNG)).status).toBe(201);
});

describe('an upload that does not come to its end', () => {
  beforeAll(emptied);

  /** @returns a request that has sent some of its body, and how much of the file is in the store */
  async function halfWay() {
    const request = http.request({
      host: '127.0.0.1',
      port: t.port,
      method: 'POST',
      path: '/api/files?name=half',
      headers: { ...member.headers, 'content-length': 400_000 },
    });
    request.on('error', () => undefined);
    request.write(randomBytes(200_000));
    await expect.poll(() => fileRows(t, acme)).toMatchObject([{ state: 'pending', bytes: '400000' }]);
    await expect.poll(() => storedFiles(t, acme)).toHaveLength(1);
    return request;
  }

  it('because its client went away leaves nothing, and nobody saw it meanwhile', async () => {
    const request = await halfWay();
    const [row] = await fileRows(t, acme);
    expect((await member.get(`/api/files/${row!.id}`)).status).toBe(404);
    expect((await member.get('/api/files')).json.items).toEqual([]);
    request.destroy();
    await nothingLeft();
  });

  it('because acme was emptied meanwhile leaves nothing', async () => {
    const request = await halfWay();
    const answered = new Promise<number>((resolve) => request.once('response', (r) => resolve(r.statusCode ?? 0)));
    await t.database.admin('DELETE FROM everywhere.tenant_files WHERE tenant_id = $1', [acme]);
    request.end(randomBytes(200_000));
    expect(await answered).toBe(409);
    await nothingLeft();
  });

  it('because its process died is removed by the hour, and one that is under way is not', async () => {
    const folder = path.join(t.database.env.filesDir!, 't', acme);
    await mkdir(folder, { recursive: true });
    const [dead, removed, alive] = [newId(), newId(), newId()];
    const add = `INSERT INTO everywhere.tenant_files
      (tenant_id, id, state, name, media_type, bytes, sha256, uploader_kind, created_at, touched_at)
      VALUES ($1, $2, $3, 'x', 'text/plain', 5, '', 'user', now(), now() - $4::interval)`;
    await t.database.admin(add, [acme, dead, 'pending', '2 hours']);
    await t.database.admin(add, [acme, removed, 'deleting', '2 hours']);
    await t.database.admin(add, [acme, alive, 'pending', '1 minute']);
    for (const id of [dead, removed, alive]) await writeFile(path.join(folder, id), 'bytes');
    const part = path.join(folder, `${newId()}.${newId()}.part`);
    await writeFile(part, 'some');
    await utimes(part, new Date(0), new Date(0));
    await t.app.get(FilePurge).purge();
    await t.app.get(FileSweep).removeAbandoned();
    expect(await fileRows(t, acme)).toMatchObject([{ id: alive }]);
    expect(await storedFiles(t, acme)).toEqual([alive]);
    await emptied();
  });

  it('because its process was killed, half-way or just before its end, is seen by nobody and leaves nothing', async () => {
    const { adminUrl, env } = t.database;
    const other = await startProcess({ DATABASE_URL: adminUrl, MASTER_KEY: env.masterKey, DATA_DIR: env.dataDir });
    try {
      const begin = async (name: string, length: number) => {
        const request = http.request({
          host: '127.0.0.1',
          port: other.port,
          method: 'POST',
          path: `/api/files?name=${name}`,
          headers: { ...member.headers, 'content-length': length },
        });
        request.on('error', () => undefined);
        request.write(randomBytes(length / 2));
        const find = async () => (await fileRows(t, acme)).find(({ bytes }) => bytes === String(length))?.id;
        await expect.poll(find).toBeDefined();
        const id = (await find())!;
        const names = async () => (await storedFiles(t, acme)).filter((file) => file.startsWith(id));
        await expect.poll(names).toHaveLength(1);
        return { request, id };
      };
      const [half, whole] = [await begin('half', 400_000), await begin('whole', 200_000)];
      const held = await holdRows(t.database, 'SELECT 1 FROM everywhere.tenant_files WHERE id = $1 FOR UPDATE', [
        whole.id,
      ]);
      whole.request.end(randomBytes(100_000));
      // Its bytes have their name, and it waits to say so.
      await expect.poll(() => storedFiles(t, acme)).toContain(whole.id);
      await expect.poll(() => held.waiting()).toBe(1);
      process.kill(-other.child.pid!, 'SIGKILL');
      await other.exited;
      await held.release();

      for (const { id } of [half, whole]) {
        expect((await member.get(`/api/files/${id}`)).status).toBe(404);
        expect((await member.get(content(id))).status).toBe(404);
      }
      expect((await member.get('/api/files')).json.items).toEqual([]);
      const again = randomBytes(400_000);
      const id = await stored(again, 'half');
      const others = (await fileRows(t, acme)).filter((row) => row.id !== id);
      expect(others.map(({ state }) => state)).toEqual(['pending', 'pending']);
      const folder = path.join(t.database.env.filesDir!, 't', acme);
      const parts = (await storedFiles(t, acme)).filter((name) => name.endsWith('.part'));
      expect(parts).toEqual([expect.stringContaining(half.id)]);
      // An hour passes.
      await utimes(path.join(folder, parts[0]!), new Date(0), new Date(0));
      await t.database.admin(
        `UPDATE everywhere.tenant_files SET touched_at = now() - interval '61 minutes' WHERE state = 'pending'`,
      );
      await t.app.get(FilePurge).purge();
      await t.app.get(FileSweep).removeAbandoned();
      expect(await fileRows(t, acme)).toEqual([{ id, state: 'stored', bytes: '400000' }]);
      expect(await storedFiles(t, acme)).toEqual([id]);
      expect((await member.get('/api/files/usage')).json).toMatchObject({ files: 1, bytes: 400_000 });
      expect((await download(t, content(id), member.headers)).bytes.equals(again)).toBe(true);
    } finally {
      if (other.child.exitCode === null && other.child.signalCode === null) process.kill(-other.child.pid!, 'SIGKILL');
    }
    await emptied();
  });

  it('in the store alone is removed once nobody can come back to it', async () => {
    const id = await stored();
    const folder = path.join(t.database.env.filesDir!, 't', acme);
    const old = firstIdAt(new Date(Date.now() - 9 * 24 * 3600 * 1000));
    const young = newId();
    const elsewhere = path.join(t.database.env.filesDir!, 't', randomUUID());
    await mkdir(elsewhere);
    for (const file of [path.join(folder, old), path.join(folder, young), path.join(elsewhere, old)]) {
      await writeFile(file, 'orphan');
    }
    await t.app.get(FileSweep).removeOrphans({ signal: new AbortController().signal });
    expect((await storedFiles(t, acme)).sort()).toEqual([id, young].sort());
    // Of a tenant that nobody knows here: another installation's, maybe.
    expect(await storedFiles(t, path.basename(elsewhere))).toEqual([old]);
    await rm(elsewhere, { recursive: true });
    await emptied();
  });
});

describe('files of acme', () => {
  beforeAll(emptied);

  async function archive(): Promise<Buffer> {
    const answer = await fetch(`http://127.0.0.1:${t.port}/api/admin/tenants/acme/exports`, {
      method: 'POST',
      headers: { ...admin.headers, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }
  async function taken(bytes: Buffer, query: string) {
    const answer = await fetch(`http://127.0.0.1:${t.port}/api/admin/tenants/imports?${query}`, {
      method: 'POST',
      headers: { ...admin.headers, 'content-type': ARCHIVE_TYPE },
      body: new Uint8Array(bytes),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, never> };
  }

  it('come along in an archive, and those that the store has lost are known to be lost', async () => {
    const bytes = randomBytes(700_000);
    const [large, small, lost] = [await stored(bytes, 'large'), await stored(PNG, 'small'), await stored(PNG, 'lost')];
    await rm(path.join(t.database.env.filesDir!, 't', acme, lost));
    expect((await member.get(content(lost))).json.code).toBe('file_bytes_missing');
    const made = await taken(await archive(), 'slug=acme-files');
    expect(made.status, JSON.stringify(made.json)).toBe(201);
    const { id: copy } = await t.tenant('acme-files');
    const rows = await fileRows(t, copy);
    expect(rows.map(({ id }) => id).some((id) => [large, small, lost].includes(id))).toBe(false);
    expect((await storedFiles(t, copy)).sort()).toEqual(
      rows
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    );
    const files = path.join(t.database.env.filesDir!, 't', copy);
    expect((await readFile(path.join(files, rows[0]!.id))).equals(bytes)).toBe(true);
    expect((await readFile(path.join(files, rows[1]!.id))).equals(PNG)).toBe(true);
    const runner = t.app.get(TenantRunner);
    const opened = runner.run(await t.tenant('acme-files'), () => t.app.get(TenantFiles).open(rows[2]!.id));
    await expect(opened).rejects.toMatchObject({ code: 'file_bytes_missing' });
  });

  it('that are not what their rows say make an import fail, which leaves nothing', async () => {
    await emptied();
    const id = await stored(PNG, 'forged');
    await writeFile(path.join(t.database.env.filesDir!, 't', acme, id), 'something else');
    const before = (await storedFiles(t)).length;
    const made = await taken(await archive(), 'slug=acme-forged');
    expect([made.status, made.json['code']]).toEqual([422, 'archive_invalid']);
    await expect.poll(() => t.app.get(TenantRunner) && storedFiles(t)).toHaveLength(before);
    await emptied();
  });

  it('go, or stay without a name, with who uploaded them', async () => {
    for (const [rule, left] of [
      ['anonymise', 1],
      ['remove', 0],
    ] as const) {
      await emptied();
      await setSettings(t, 'acme', { 'auth.deleted_user_messages': rule });
      const person = await newPerson(t, 'acme');
      const leaver = await signInAs(t, 'acme', person.email, 'demo-password');
      const id = await stored(PNG, 'mine.png', leaver);
      const data = await leaver.get('/api/auth/me/data');
      expect(data.json.files, data.text.slice(0, 300)).toMatchObject([{ id, name: 'mine.png' }]);
      await expect.poll(async () => (await owner.get('/api/config/auth.deleted_user_messages')).json.value).toBe(rule);
      expect((await owner.send('DELETE', `/api/users/${person.id}`)).status).toBeLessThan(300);
      await expect.poll(() => storedFiles(t, acme)).toHaveLength(left);
      expect((await owner.get('/api/files')).json.items).toMatchObject(left ? [{ id, uploaded_by: null }] : []);
    }
  });
});
