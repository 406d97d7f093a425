import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { S3Storage } from '../../src/storage/s3.storage.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { ArchiveSpool } from '../../src/tenant/archive/archive.spool.js';
import { BackupStorage } from '../../src/tenant/backups/backup.storage.js';
import { BACKUP_USE } from '../../src/tenant/backups/chosen.storage.js';
import { BackupJobs, ErasureProver, TenantBackups } from '../../src/tenant/index.js';
import { runCommand, startCommand } from '../kit/command-line.js';
import { fillTables } from '../kit/filled-tables.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { startProxy } from '../kit/tcp-proxy.js';
import { createTenant, eraseAtOnce, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';
import { startS3, type TestS3 } from '../kit/test-s3.js';

/** Does not compress below three quarters, so that acme's archive is of more than one part. */
const LARGE = `UPDATE shared.chat_messages m SET content = large.text FROM (SELECT string_agg(
  encode(sha256(convert_to(i::text, 'UTF8')), 'base64'), '') AS text FROM generate_series(1, 320000) i) large
  WHERE m.id IN (SELECT id FROM shared.chat_messages WHERE tenant_id = $1 ORDER BY id LIMIT 3)`;

let s3: TestS3;
let t: TestApp;
let admin: SignedInAdmin;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  s3 = await startS3();
  const more = { ...ROOT_ENV, ...s3.env, TENANT_DELETION_GRACE_DAYS: '0' };
  t = await createTestApp(more);
  env = testEnv({ ...more, DATABASE_URL: t.database.adminUrl, DATA_DIR: t.database.env.dataDir });
  admin = await signInAdmin(t);
  await fillTables(t, 'acme');
  await t.database.admin(LARGE, [(await t.tenant('acme')).id]);
});
afterAll(async () => {
  await t.close();
  await s3.close();
});

const backups = () => t.app.get(TenantBackups);
const storage = () => t.app.get(BackupStorage);
const asPlatform = <T>(work: () => Promise<T>): Promise<T> => t.app.get(TenantRunner).runAsPlatform('test', work);
const make = (slug: string) => asPlatform(async () => (await backups().make((await backups().begin(slug)).id))!);
const verdict = (id: string) =>
  asPlatform(() => backups().verify(id)).then(
    () => 'whole',
    (error: { code: string }) => error.code,
  );
const keyOf = ({ tenantId, id }: { tenantId: string; id: string }) => `${s3.prefix}${tenantId}/${id}.tenant`;
const keysOf = async (slug: string): Promise<string[]> => {
  const { id } = await t.tenant(slug);
  return (await s3.keys()).filter((key) => key.startsWith(`${s3.prefix}${id}/`));
};
const temporary = () => readdir(path.join(t.database.env.dataDir, 'archives')).catch(() => []);

describe('a backup of acme in a bucket', () => {
  it('of several parts is one encrypted object that is whole, on this machine, too', async () => {
    const made = await make('acme');
    expect(made).toMatchObject({ state: 'done', error: null });
    expect(made.bytes).toBeGreaterThan(16 * 2 ** 20);
    expect([await keysOf('acme'), await s3.uploads()]).toEqual([[keyOf(made)], []]);
    const bytes = await readFile(s3.fileOf(keyOf(made)));
    expect(bytes.length).toBe(made.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(made.sha256);
    expect(bytes.toString('latin1')).not.toMatch(/manifest|users|acme/);
    expect(await verdict(made.id)).toBe('whole');
    const local = await storage().local(made.tenantId, made.id, (file) => readFile(file));
    expect(local.equals(bytes)).toBe(true);
    expect(await temporary()).toEqual([]);
  });

  it('that was changed, cut short or taken away is found out', async () => {
    const made = await make('globex');
    const file = s3.fileOf(keyOf(made));
    const bytes = await readFile(file);
    const changed = Buffer.from(bytes);
    changed[Math.floor(bytes.length / 2)]! ^= 1;
    for (const broken of [changed, bytes.subarray(0, -1), Buffer.alloc(0)]) {
      await writeFile(file, broken);
      expect(await verdict(made.id)).toBe('backup_damaged');
    }
    await rm(file);
    expect(await verdict(made.id)).toBe('backup_damaged');
    expect(await temporary()).toEqual([]);
    await t.database.admin('DELETE FROM platform.backups WHERE id = $1', [made.id]);
  });

  it('is made, listed and verified by command', async () => {
    const run = await runCommand(env, 'backups', 'run', 'globex', '--json');
    expect(run.code, run.stderr).toBe(0);
    const [{ id }] = run.json.items;
    const listed = await runCommand(env, 'backups', 'list', 'globex', '--json');
    expect(listed.json.items[0]).toEqual(run.json.items[0]);
    const verified = await runCommand(env, 'backups', 'verify', id);
    expect(verified.code, verified.stderr).toBe(0);
  });

  it('whose process is killed in the middle is no backup, and its upload is ended after an hour', async () => {
    const before = await keysOf('acme');
    const { id: tenantId } = await t.tenant('acme');
    const proxy = await startProxy(s3.port);
    const slow = { ...env, BACKUP_S3_ENDPOINT: proxy.through(s3.bucket.endpoint!).replace(/\/$/, '') };
    const { child, outcome } = startCommand(slow, 'backups', 'run', 'acme');
    try {
      const parts = async () => (await s3.uploads())[0]?.parts ?? 0;
      await vi.waitFor(async () => expect(await parts()).toBeGreaterThan(0), { timeout: 60_000, interval: 10 });
      proxy.silence();
    } finally {
      child.kill('SIGKILL');
      await outcome;
      await proxy.close();
    }

    const [running] = (await asPlatform(() => backups().list('acme', 1))).items;
    expect(running!.state).toBe('running');
    expect(await verdict(running!.id)).toBe('unknown_backup');
    expect(await keysOf('acme')).toEqual(before);
    expect(await storage().countOf(tenantId)).toBe(before.length + 1);
    const [upload] = await s3.uploads();
    // What began long ago and still grows is not abandoned.
    await s3.age(upload!.id, true);
    expect(await storage().removeAbandoned()).toBe(0);
    await s3.age(upload!.id);
    const sweep = { id: 'x', attempt: 1, signal: new AbortController().signal };
    await asPlatform(() => t.app.get(BackupJobs).sweep(sweep));
    expect(await s3.uploads()).toEqual([]);
    // Another goes on, from the beginning.
    await t.database.admin('UPDATE platform.backups SET held_until = now() WHERE id = $1', [running!.id]);
    const made = await make('acme');
    expect([made.id, await verdict(made.id)]).toEqual([running!.id, 'whole']);
  });

  it('goes with its tenant, also what is being written of it', async () => {
    expect((await createTenant(admin, 'doomed', {})).status).toBe(201);
    const { id } = await untilStatus(admin, 'doomed', 'active', 'failed');
    await make('doomed');
    await storage().write(id, randomUUID(), (out) => pipeline(['half of it'], out));
    expect(await storage().countOf(id)).toBe(2);
    await eraseAtOnce(t, 'doomed');
    expect((await s3.keys()).filter((key) => key.includes(id))).toEqual([]);
    expect(await s3.uploads()).toEqual([]);
    expect((await t.app.get(ErasureProver).prove('doomed')).found).toEqual([]);
    const late = await storage().write(id, randomUUID(), (out) => pipeline(['too late'], out));
    const found = await t.app.get(ErasureProver).prove('doomed');
    expect(found).toMatchObject({ proven: false, found: [{ where: 'backups', count: 1 }] });
    await late.discard();
  });
});

describe('a bucket that cannot be used', () => {
  const nowhere = 'http://127.0.0.1:9';
  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['whose secret is wrong', { BACKUP_S3_SECRET_ACCESS_KEY: 'another-secret' }, 'backup_store_refused'],
    ['whose key nobody knows', { BACKUP_S3_ACCESS_KEY_ID: 'nobody' }, 'backup_store_refused'],
    ['that is in another region', { BACKUP_S3_REGION: 'us-west-2' }, 'backup_store_refused'],
    ['that is not there', { BACKUP_S3_BUCKET: 'no-such-bucket' }, 'backup_bucket_missing'],
    ['behind an endpoint that is away', { BACKUP_S3_ENDPOINT: nowhere }, 'backup_store_away'],
  ])('%s makes the backup fail, and says why', async (_, wrong, code) => {
    const run = await runCommand({ ...env, ...wrong, LOG_LEVEL: 'info' }, 'backups', 'run', 'globex', '--json');
    expect([run.code, run.problem.code], run.stderr).toEqual([7, code]);
    expect(run.problem.remedy).toMatch(/BACKUP_S3_/);
    const secret = wrong['BACKUP_S3_SECRET_ACCESS_KEY'] ?? env['BACKUP_S3_SECRET_ACCESS_KEY']!;
    expect(run.stdout + run.stderr).not.toContain(secret);
    const [failed] = (await asPlatform(() => backups().list('globex', 1))).items;
    expect(failed).toMatchObject({ state: 'failed', error: code });
    expect((await make('globex')).state).toBe('done');
  });

  it('is told from one that was damaged, when it is away or falls silent on the way', async () => {
    const made = await make('acme');
    const proxy = await startProxy(s3.port);
    const endpoint = proxy.through(s3.bucket.endpoint!).replace(/\/$/, '');
    const store = new S3Storage({ ...s3.bucket, endpoint }, BACKUP_USE, 1000);
    const far = new BackupStorage(store, t.app.get(ArchiveSpool));
    const look = (): Promise<unknown> =>
      far.local(made.tenantId, made.id, () => Promise.resolve('there')).catch((error: { code: string }) => error.code);
    try {
      expect(await look()).toBe('there');
      const looking = look();
      await vi.waitFor(async () => expect(await temporary()).toHaveLength(1), { timeout: 10_000, interval: 1 });
      proxy.silence();
      expect(await looking).toBe('backup_store_away');
      proxy.hang();
      expect(await look()).toBe('backup_store_away');
      const write = far.write(made.tenantId, randomUUID(), () => Promise.reject(new Error('nobody asks for it')));
      await expect(write).rejects.toMatchObject({ code: 'backup_store_away' });
      proxy.resume();
      expect(await temporary()).toEqual([]);
    } finally {
      far.onApplicationShutdown();
      await proxy.close();
    }
  });

  it('is named in the proof of an erasure as what nobody could look through', async () => {
    const away = await startS3();
    const other = await createTestApp({ ...away.env });
    try {
      await away.close();
      await other.database.admin(
        `UPDATE platform.tenants SET status = 'deleted', purge_after = NULL WHERE slug = 'initech'`,
      );
      const proof = await other.app.get(ErasureProver).prove('initech');
      expect(proof).toMatchObject({ proven: false });
      expect(proof.unread.filter((what) => what.startsWith('backups: '))).toHaveLength(1);
      expect((await other.request('GET', '/health/ready')).status).toBe(200);
    } finally {
      await other.close();
    }
  });
});

it('a backup takes the memory of one part, however large it is', async () => {
  const tenant = randomUUID();
  const block = Buffer.alloc(65_536, 7);
  let most = 0;
  const before = process.memoryUsage().arrayBuffers;
  async function* much(): AsyncGenerator<Buffer> {
    for (let i = 0; i < (200 * 2 ** 20) / block.length; i += 1) {
      if (i % 64 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      yield block;
      // Blocks that are sent are collected between two turns.
      if (i % 64 === 0) await new Promise(setImmediate);
    }
  }
  const written = await storage().write(tenant, randomUUID(), (out) => pipeline(much, out));
  expect(written.bytes).toBe(200 * 2 ** 20);
  await written.discard();
  // The server of this test is in the same process.
  expect(most).toBeLessThan(100 * 2 ** 20);
});
