import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Env, parseEnv } from '../../src/env/index.js';
import { ArchiveSpool } from '../../src/tenant/archive/archive.spool.js';
import type { BackupStorage } from '../../src/tenant/backups/backup.storage.js';
import { backupStorage } from '../../src/tenant/backups/chosen.storage.js';
import { testEnv } from '../kit/test-env.js';
import { startS3, type TestS3 } from '../kit/test-s3.js';

interface Place {
  env: NodeJS.ProcessEnv;
  /** What is being written, by its names. */
  unfinished(): Promise<string[]>;
  age(unfinished: string): Promise<void>;
  close(): Promise<void>;
}

async function aFolder(): Promise<Place> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-storage-'));
  return {
    env: { BACKUP_DIR: folder },
    unfinished: async () => (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.part')),
    age: (name) => utimes(path.join(folder, name), new Date(0), new Date(0)),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

async function aBucket(): Promise<Place> {
  const s3: TestS3 = await startS3();
  return {
    env: s3.env,
    unfinished: async () => (await s3.uploads()).map(({ id }) => id),
    age: (upload) => s3.age(upload),
    close: () => s3.close(),
  };
}

const SMALL = Buffer.from('a small backup');
const pour =
  (bytes: Buffer) =>
  async (out: Writable): Promise<string> => {
    const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
      bytes.subarray(i * 65_536, (i + 1) * 65_536),
    );
    await pipeline(chunks, out);
    return 'made';
  };

/** What {@link BackupStorage} says, of every storage there is. */
describe.each([
  ['a folder', aFolder],
  ['a bucket', aBucket],
])('backups in %s', (_, open) => {
  let place: Place;
  let dataDir: string;
  let storage: BackupStorage;
  beforeAll(async () => {
    place = await open();
    dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-data-'));
    const env: Env = parseEnv(testEnv({ ...place.env, DATA_DIR: dataDir }));
    storage = await backupStorage(env, new ArchiveSpool(env));
  });
  afterAll(async () => {
    await place.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const read = (tenant: string, id: string): Promise<Buffer> => storage.local(tenant, id, (file) => readFile(file));
  const nameless = (tenant: string, id: string) =>
    expect(read(tenant, id)).rejects.toMatchObject({ code: 'backup_damaged' });

  async function kept(tenant: string, id: string, bytes = SMALL): Promise<void> {
    const written = await storage.write(tenant, id, pour(bytes));
    await written.keep();
    await written.discard();
  }

  it('have no name before they are kept, and are what was written after it', async () => {
    const [tenant, id] = [randomUUID(), randomUUID()];
    expect(storage.available).toBe(true);
    const written = await storage.write(tenant, id, pour(SMALL));
    const sha256 = createHash('sha256').update(SMALL).digest('hex');
    expect(written).toMatchObject({ made: 'made', bytes: SMALL.length, sha256 });
    await nameless(tenant, id);
    expect(await storage.countOf(tenant)).toBe(1);
    await written.keep();
    expect(await read(tenant, id)).toEqual(SMALL);
    await written.discard();
    expect(await read(tenant, id)).toEqual(SMALL);
    expect(await storage.countOf(tenant)).toBe(1);
    expect(await place.unfinished()).toEqual([]);
  });

  it('are whole when they are larger than one write, or empty', async () => {
    const [tenant, large, none] = [randomUUID(), randomUUID(), randomUUID()];
    const bytes = randomBytes(36 * 2 ** 20 + 17);
    await kept(tenant, large, bytes);
    expect((await read(tenant, large)).equals(bytes)).toBe(true);
    await kept(tenant, none, Buffer.alloc(0));
    expect((await read(tenant, none)).length).toBe(0);
  });

  it('that are discarded, or fail, leave nothing', async () => {
    const [tenant, id] = [randomUUID(), randomUUID()];
    await (await storage.write(tenant, id, pour(SMALL))).discard();
    const failing = storage.write(tenant, id, async (out) => {
      out.write(SMALL);
      await Promise.resolve();
      throw new Error('the tenant is gone');
    });
    await expect(failing).rejects.toThrow('the tenant is gone');
    const ended = storage.write(tenant, id, (out) =>
      pipeline([randomBytes(70_000)], out, { signal: AbortSignal.abort(new Error('interrupted')) }),
    );
    await expect(ended).rejects.toThrow();
    await nameless(tenant, id);
    expect([await storage.countOf(tenant), await place.unfinished()]).toEqual([0, []]);
  });

  it('of one name that two write at once do not mix', async () => {
    const [tenant, id] = [randomUUID(), randomUUID()];
    const [one, other] = [randomBytes(100_000), randomBytes(200_000)];
    const written = await Promise.all([one, other].map((bytes) => storage.write(tenant, id, pour(bytes))));
    await written[1]!.keep();
    await written[0]!.discard();
    expect((await read(tenant, id)).equals(other)).toBe(true);
    // Whoever makes it anew puts his in its place.
    await kept(tenant, id, one);
    expect((await read(tenant, id)).equals(one)).toBe(true);
    expect(await storage.countOf(tenant)).toBe(1);
  });

  it('are on this machine for as long as they are looked at', async () => {
    const [tenant, id] = [randomUUID(), randomUUID()];
    await kept(tenant, id);
    const looking = storage.local(tenant, id, async (file) => {
      expect(await readFile(file)).toEqual(SMALL);
      throw new Error('seen enough');
    });
    await expect(looking).rejects.toThrow('seen enough');
    expect(await readdir(path.join(dataDir, 'archives')).catch(() => [])).toEqual([]);
    expect(await read(tenant, id)).toEqual(SMALL);
  });

  it('are removed one by one, also twice', async () => {
    const [tenant, gone, stays] = [randomUUID(), randomUUID(), randomUUID()];
    await kept(tenant, gone);
    await kept(tenant, stays);
    await storage.remove(tenant, gone);
    await storage.remove(tenant, gone);
    await nameless(tenant, gone);
    expect(await read(tenant, stays)).toEqual(SMALL);
  });

  it('of a tenant go all at once, with what is being written, which cannot be kept any more', async () => {
    const [tenant, other] = [randomUUID(), randomUUID()];
    await kept(other, tenant);
    for (let i = 0; i < 3; i += 1) await kept(tenant, randomUUID());
    const late = randomUUID();
    const written = [];
    for (const id of [late, randomUUID(), randomUUID()]) written.push(await storage.write(tenant, id, pour(SMALL)));
    expect(await storage.countOf(tenant)).toBe(6);
    await storage.removeAll(tenant);
    expect([await storage.countOf(tenant), await storage.countOf(other)]).toEqual([0, 1]);
    await expect(written[0]!.keep()).rejects.toThrow();
    for (const each of written) await each.discard();
    await nameless(tenant, late);
    expect(await storage.countOf(tenant)).toBe(0);
    await storage.removeAll(tenant);
  });

  it('that a process left unfinished go after an hour, and no others', async () => {
    const tenant = randomUUID();
    await kept(tenant, randomUUID());
    const old = [];
    for (let i = 0; i < 3; i += 1) old.push(await storage.write(tenant, randomUUID(), pour(SMALL)));
    for (const name of await place.unfinished()) await place.age(name);
    const young = await storage.write(tenant, randomUUID(), pour(SMALL));
    expect(await storage.removeAbandoned()).toBe(3);
    expect(await storage.countOf(tenant)).toBe(2);
    await young.keep();
    expect([await storage.countOf(tenant), await storage.removeAbandoned()]).toEqual([2, 0]);
    for (const each of old) await each.discard();
  });
});

it('without a folder and without a bucket there is no place for backups', async () => {
  const env = parseEnv(testEnv());
  const storage = await backupStorage(env, new ArchiveSpool(env));
  expect(storage.available).toBe(false);
  await expect(storage.countOf(randomUUID())).rejects.toMatchObject({ code: 'backups_off' });
});
