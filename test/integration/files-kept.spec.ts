import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { FILE_STORAGE, FilePurge, FileSweep, TenantFiles } from '../../src/files/index.js';
import type { ObjectStorage } from '../../src/storage/index.js';
import { type Placement, TenantRunner } from '../../src/tenancy/index.js';
import { ErasureProver, MoveAftercare, PlaceKeeper } from '../../src/tenant/index.js';
import { download, fileRows, PNG, setSettings, storedFiles, upload } from '../kit/files.js';
import { move } from '../kit/moves.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { backUp, restore, swapIn } from '../kit/restores.js';
import { runSql } from '../kit/scratch-server.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTenant, eraseAtOnce, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { withDatabase } from '../kit/test-env.js';

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

/** As the superuser, where a tenant has left; a place that it has left takes no writes otherwise. */
async function atLeft(placement: Placement, sql: string): Promise<void> {
  const { adminUrl } = t.database;
  const url = placement.kind === 'database' ? withDatabase(adminUrl, placement.database) : adminUrl;
  await runSql(url, `SET session_replication_role = replica; ${sql}`);
}

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

  it('are the same in a database of its own and back, by link too, count once, and leave nothing behind', async () => {
    const globex = await signIn(t, 'globex', 'owner');
    const { id: tenantId } = await t.tenant('globex');
    const contents = [randomBytes(200_000), PNG, Buffer.alloc(0)];
    const ids: string[] = [];
    const links: URL[] = [];
    for (const bytes of contents) {
      const { json, text } = await upload(t, globex, 'kept', bytes);
      ids.push(json.id as string);
      const link = await globex.send('POST', `/api/files/${json.id}/url`, { expires_in: 3600 });
      expect(link.status, text).toBe(200);
      links.push(new URL(link.json.url as string));
    }
    const usage = async () => (await globex.get('/api/files/usage')).json;
    const bytes = contents.reduce((all, { length }) => all + length, 0);
    await setSettings(t, 'globex', { 'files.quota_bytes': bytes + 1000 });
    const known = { files: 3, bytes, quota_bytes: bytes + 1000 };
    await expect.poll(usage).toMatchObject(known);
    const expectKept = async () => {
      for (const [index, id] of ids.entries()) {
        const link = links[index]!;
        const read = await download(t, `/api/files/${id}/content`, globex.headers);
        const followed = await download(t, link.pathname + link.search, { host: link.host });
        expect([read.status, read.bytes.equals(contents[index]!)]).toEqual([200, true]);
        expect([followed.status, followed.bytes.equals(contents[index]!)]).toEqual([200, true]);
      }
      expect(await usage()).toMatchObject(known);
      expect((await storedFiles(t, tenantId)).sort()).toEqual([...ids].sort());
    };
    for (const isolation of ['database', 'shared']) {
      const { placement: left } = await t.tenant('globex');
      expect(await move(admin, 'globex', { isolation })).toMatchObject({ state: 'done', to: { isolation } });
      await expectKept();
      const over = await upload(t, globex, 'over', randomBytes(1001));
      expect([over.status, over.json.code]).toEqual([413, 'file_quota_exceeded']);
      const last = await upload(t, globex, 'last', randomBytes(1000));
      expect([last.status, last.text]).toEqual([201, expect.any(String)]);
      expect((await globex.send('DELETE', `/api/files/${last.json.id}`)).status).toBe(204);

      // What the place that it left says of its files is true no more.
      await atLeft(
        left,
        `UPDATE shared.tenant_files SET state = 'deleting', touched_at = now() - interval '2 days'
        WHERE tenant_id = '${tenantId}'`,
      );
      await t.app.get(FilePurge).purge();
      await t.app.get(FileSweep).removeOrphans({ signal: new AbortController().signal });
      await expectKept();
      await t.database.admin('UPDATE platform.moves SET keep_until = now() WHERE tenant_id = $1', [tenantId]);
      await t.app.get(MoveAftercare).dropDue();
      await t.app.get(PlaceKeeper).pass();
      if (left.kind === 'shared') {
        expect(await t.database.admin('SELECT id FROM shared.tenant_files WHERE tenant_id = $1', [tenantId])).toEqual(
          [],
        );
      } else {
        const places = () => t.database.admin('SELECT name FROM platform.places WHERE tenant_id = $1', [tenantId]);
        await expect.poll(places).toEqual([]);
      }
      await expectKept();
    }
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
    await eraseAtOnce(t, 'doomed');
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
