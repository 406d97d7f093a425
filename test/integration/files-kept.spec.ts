import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/common/index.js';
import { FILE_STORAGE, TenantFiles } from '../../src/files/index.js';
import type { ObjectStorage } from '../../src/storage/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { ErasureProver, TenantLifecycle, TenantPurge } from '../../src/tenant/index.js';
import { download, fileRows, PNG, storedFiles, upload } from '../kit/files.js';
import { move } from '../kit/moves.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { backUp, restore, swapIn } from '../kit/restores.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let admin: SignedInAdmin;
let owner: SignedIn;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-files-kept-'));
  t = await createTestApp({
    ...ROOT_ENV,
    BACKUP_DIR: folder,
    FILES_DIR: path.join(folder, 'files'),
    TENANT_DELETION_GRACE_DAYS: '0',
  });
  admin = await signInAdmin(t);
  owner = await signIn(t, 'acme', 'owner');
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

const bytesOf = async (id: string) => (await download(t, `/api/files/${id}/content`, owner.headers)).bytes;
const put = async (name: string, bytes: Buffer): Promise<string> => {
  const answer = await upload(t, owner, name, bytes);
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};

describe('the files of acme', () => {
  it('are the same after it moves, and come and go as before', async () => {
    const bytes = randomBytes(200_000);
    const id = await put('moved', bytes);
    expect(await move(admin, 'acme', { isolation: 'schema' })).toMatchObject({ state: 'done' });
    expect((await bytesOf(id)).equals(bytes)).toBe(true);
    const next = await put('after', PNG);
    expect((await owner.send('DELETE', `/api/files/${id}`)).status).toBe(204);
    expect(await storedFiles(t, (await t.tenant('acme')).id)).toEqual([next]);
  });

  it('come back from a backup, and those of later go', async () => {
    const [deleted, stays] = [randomBytes(300_000), randomBytes(1000)];
    const [deletedId, staysId] = [await put('deleted', deleted), await put('stays', stays)];
    const backup = await backUp(admin, 'acme');
    expect((await admin.get(`/api/admin/tenants/acme/backups`)).json.items[0].error).toBeNull();
    expect((await owner.send('DELETE', `/api/files/${deletedId}`)).status).toBe(204);
    const later = await put('later', PNG);
    const ready = await restore(admin, 'acme', backup);
    expect(ready.state, JSON.stringify(ready)).toBe('ready');
    expect(ready.difference.tenant_files).toMatchObject({ only_now: 1, only_then: 1, changed: 0 });
    // Nothing is brought before anybody wants it.
    expect(await storedFiles(t, (await t.tenant('acme')).id)).not.toContain(deletedId);
    await swapIn(t, admin, 'acme', ready.id);
    owner = await signIn(t, 'acme', 'owner');
    expect((await bytesOf(deletedId)).equals(deleted)).toBe(true);
    expect((await bytesOf(staysId)).equals(stays)).toBe(true);
    expect((await owner.get(`/api/files/${later}`)).status).toBe(404);
  });
});

describe('a tenant that is erased', () => {
  it('leaves no file, and the proof finds one that comes later', async () => {
    expect((await createTenant(admin, 'doomed', {})).status).toBe(201);
    const { id } = await untilStatus(admin, 'doomed', 'active', 'failed');
    const tenant = await t.tenant('doomed');
    await t.app.get(TenantRunner).run(tenant, () => t.app.get(TenantFiles).put(Readable.from([PNG]), { name: 'x' }));
    const storage = t.app.get<ObjectStorage>(FILE_STORAGE);
    await storage.write(id, newId(), (out) => pipeline(['half of it'], out));
    expect([await storage.countOf(id), (await fileRows(t, id)).length]).toEqual([2, 1]);
    const lifecycle = t.app.get(TenantLifecycle);
    await lifecycle.apply('doomed', 'archive');
    await lifecycle.scheduleDeletion('doomed', 'doomed');
    await vi.waitFor(
      async () => {
        await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE purge_after IS NOT NULL');
        await t.app.get(TenantPurge).runDue();
        expect(await t.database.admin('SELECT slug FROM platform.tenants WHERE purge_after IS NOT NULL')).toEqual([]);
      },
      { timeout: 20_000 },
    );
    expect([await storage.countOf(id), await storedFiles(t, id), await fileRows(t, id)]).toEqual([0, [], []]);
    expect((await t.app.get(ErasureProver).prove('doomed')).found).toEqual([]);
    await (await storage.write(id, newId(), (out) => pipeline(['too late'], out))).keep();
    const proof = await t.app.get(ErasureProver).prove('doomed');
    expect(proof).toMatchObject({ proven: false, found: [{ where: 'files', count: 1 }] });
    await storage.removeAll(id);
  });

  it('is not found in what another has uploaded', async () => {
    const [{ id = '' } = {}] = await t.database.admin<{ id: string }>(
      `SELECT id FROM platform.tenants WHERE slug = 'doomed'`,
    );
    await put('about-doomed', Buffer.from(`once there was ${id}`));
    expect((await t.app.get(ErasureProver).prove('doomed')).found).toEqual([]);
    await writeFile(path.join(t.database.env.dataDir, 'stray'), id);
    expect((await t.app.get(ErasureProver).prove('doomed')).found).toHaveLength(1);
  });
});
