import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FILE_USE } from '../../src/files/file.storage.js';
import { objectStorage, type ObjectStorage, type StoragePlace } from '../../src/storage/index.js';
import { startS3 } from '../kit/test-s3.js';

async function aFolder(): Promise<{ place: StoragePlace; close(): Promise<void> }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-objects-'));
  return { place: { folder }, close: () => rm(folder, { recursive: true, force: true }) };
}

async function aBucket(): Promise<{ place: StoragePlace; close(): Promise<void> }> {
  const s3 = await startS3();
  return { place: { bucket: s3.bucket }, close: () => s3.close() };
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** What is beyond that which backups use of it; see backup-storage.spec.ts. */
describe.each([
  ['a folder', aFolder],
  ['a bucket', aBucket],
])('objects in %s', (_, make) => {
  let made: Awaited<ReturnType<typeof aFolder>>;
  let storage: ObjectStorage;
  beforeAll(async () => {
    made = await make();
    storage = (await objectStorage(made.place, FILE_USE))!;
  });
  afterAll(() => made.close());

  async function kept(tenantId: string, id: string, bytes: Buffer): Promise<void> {
    const written = await storage.write(tenantId, id, (out) => pipeline([bytes], out));
    await written.keep();
    await written.discard();
  }

  it('are read whole and in part, and not at all when there are none', async () => {
    const [tenantId, id] = [randomUUID(), randomUUID()];
    const bytes = randomBytes(100_000);
    expect([await storage.has(tenantId, id), await storage.open(tenantId, id)]).toEqual([false, undefined]);
    await kept(tenantId, id, bytes);
    expect(await storage.has(tenantId, id)).toBe(true);
    expect((await buffer((await storage.open(tenantId, id))!)).equals(bytes)).toBe(true);
    const part = await buffer((await storage.open(tenantId, id, { first: 70_000, last: 70_009 }))!);
    expect(part.equals(bytes.subarray(70_000, 70_010))).toBe(true);
    expect(await storage.open(randomUUID(), id)).toBeUndefined();
    // Nobody reads it: what it holds is let go.
    (await storage.open(tenantId, id))!.destroy();
  });

  it('are told by tenant and id, but for those that are being written', async () => {
    const [one, other] = [randomUUID(), randomUUID()].sort() as [string, string];
    const ids = Array.from({ length: 5 }, () => randomUUID());
    for (const id of ids) await kept(one, id, Buffer.from('x'));
    await kept(other, ids[0]!, Buffer.from('y'));
    const half = await storage.write(one, randomUUID(), (out) => pipeline(['half'], out));
    const told = (await all(storage.idsOf(one))).flat();
    expect(told.sort()).toEqual([...ids].sort());
    const tenants = await all(storage.tenants());
    expect(tenants.filter((id) => [one, other].includes(id)).sort()).toEqual([one, other]);
    await half.discard();
  });

  it('come while the last one of their tenant goes', async () => {
    const tenantId = randomUUID();
    for (let round = 0; round < 10; round += 1) {
      const [gone, come] = [randomUUID(), randomUUID()];
      await kept(tenantId, gone, Buffer.from('old'));
      await Promise.all([storage.remove(tenantId, gone), kept(tenantId, come, Buffer.from('new'))]);
      expect(await storage.has(tenantId, come)).toBe(true);
      await storage.remove(tenantId, come);
    }
  });
});
