import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileSweep } from '../../src/files/index.js';
import { TenantErasure } from '../../src/tenant/index.js';
import { download, fileRows, upload } from '../kit/files.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startS3, type TestS3 } from '../kit/test-s3.js';

let s3: TestS3;
let t: TestApp;
let owner: SignedIn;
let acme: string;
beforeAll(async () => {
  s3 = await startS3();
  const env = Object.entries(s3.env).map(([name, value]) => [name.replace('BACKUP_', 'FILES_'), value]);
  t = await createTestApp(Object.fromEntries(env) as NodeJS.ProcessEnv);
  owner = await signIn(t, 'acme', 'owner');
  acme = (await t.tenant('acme')).id;
});
afterAll(async () => {
  await t.close();
  await s3.close();
});

const keyOf = (id: string): string => `${s3.prefix}t/${acme}/${id}`;
const put = async (bytes: Buffer): Promise<string> => {
  const answer = await upload(t, owner, 'x', bytes);
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};

describe('files of acme in a bucket', () => {
  it('are objects under ids of ours, read whole and in part', async () => {
    const bytes = randomBytes(7 * 2 ** 20);
    const id = await put(bytes);
    expect(await s3.keys()).toEqual([keyOf(id)]);
    expect((await readFile(s3.fileOf(keyOf(id)))).equals(bytes)).toBe(true);
    const whole = await download(t, `/api/files/${id}/content`, owner.headers);
    expect([whole.status, whole.bytes.equals(bytes)]).toEqual([200, true]);
    const part = await download(t, `/api/files/${id}/content`, { ...owner.headers, range: 'bytes=6000000-6000099' });
    expect([part.status, part.bytes.equals(bytes.subarray(6_000_000, 6_000_100))]).toEqual([206, true]);
    expect((await owner.send('DELETE', `/api/files/${id}`)).status).toBe(204);
    expect([await s3.keys(), await s3.uploads(), await fileRows(t, acme)]).toEqual([[], [], []]);
  });

  it('that are too large, or break off, leave neither object nor upload', async () => {
    const large = await upload(t, owner, 'x', randomBytes(11 * 2 ** 20), { 'transfer-encoding': 'chunked' });
    expect(large.json.code).toBe('file_too_large');
    const request = http.request({
      host: '127.0.0.1',
      port: t.port,
      method: 'POST',
      path: '/api/files?name=half',
      headers: { ...owner.headers, 'content-length': 9 * 2 ** 20 },
    });
    request.on('error', () => undefined);
    request.write(randomBytes(6 * 2 ** 20));
    await expect.poll(async () => (await s3.uploads())[0]?.parts).toBe(1);
    request.destroy();
    await expect.poll(() => fileRows(t, acme)).toEqual([]);
    await expect.poll(() => s3.uploads()).toEqual([]);
    expect(await s3.keys()).toEqual([]);
  });

  it('that the bucket has lost are known to be lost, and orphans go', async () => {
    const id = await put(Buffer.from('some'));
    await rm(s3.fileOf(keyOf(id)));
    const got = await download(t, `/api/files/${id}/content`, owner.headers);
    expect([got.status, JSON.parse(got.bytes.toString()).code]).toEqual([404, 'file_bytes_missing']);
    const stays = await put(Buffer.from('other'));
    await t.app.get(FileSweep).removeOrphans({ signal: new AbortController().signal });
    expect(await s3.keys()).toEqual([keyOf(stays)]);
  });

  it('go when it is erased', async () => {
    for (let i = 0; i < 3; i += 1) await put(Buffer.from(String(i)));
    await t.app.get(TenantErasure).erase(acme);
    expect([await s3.keys(), await s3.uploads()]).toEqual([[], []]);
  });
});

it('a bucket that is away keeps nobody but who asks for files', async () => {
  const globex = await signIn(t, 'globex', 'owner');
  await s3.close();
  const answer = await upload(t, globex, 'x', Buffer.from('x'));
  expect([answer.status, answer.json.code]).toEqual([503, 'file_store_failed']);
  expect(answer.text).not.toMatch(/ECONN|127\.0\.0\.1|bucket/);
  expect((await globex.get('/api/files')).json.items).toEqual([]);
  expect((await t.request('GET', '/health/ready')).status).toBe(200);
  s3 = await startS3();
});
