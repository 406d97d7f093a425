import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangeFeed } from '../../src/changes/index.js';
import { startProxy, type TcpProxy } from '../kit/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';

const CHANNEL = 'tenantry_test';

describe('the feed of changes', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let feed: ChangeFeed;
  const heard: (string[] | undefined)[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startProxy(Number(new URL(database.adminUrl).port));
    const url: typeof database.prepared.url = (...which) => proxy.through(database.prepared.url(...which));
    feed = new ChangeFeed({ ...database.prepared, url });
    feed.on(CHANNEL, (keys) => heard.push(keys));
    await feed.onApplicationBootstrap();
  });
  afterAll(async () => {
    await feed.onApplicationShutdown();
    await proxy.close();
    await database.drop();
  });

  const notify = (key: string) => database.admin('SELECT pg_notify($1, $2)', [CHANNEL, key]);

  it('hears what other processes change', async () => {
    expect(feed.live).toBe(true);
    await notify('one');
    await expect.poll(() => heard).toContainEqual(['one']);
  });

  it('is not live soon after its connection went silent, and is again when what was held back has come', async () => {
    proxy.silence();
    await notify('two');
    // The bound is under a second; this leaves room for a busy machine.
    await expect.poll(() => feed.live, { timeout: 2000, interval: 10 }).toBe(false);
    expect(heard).not.toContainEqual(['two']);
    proxy.resume();
    await expect.poll(() => feed.live, { timeout: 5000, interval: 1 }).toBe(true);
    expect(heard).toContainEqual(['two']);
  });

  it('gives a connection up that stays silent, and takes anything to have changed meanwhile', async () => {
    const before = proxy.made;
    proxy.silence();
    heard.length = 0;
    await expect.poll(() => feed.live && proxy.made > before, { timeout: 15_000 }).toBe(true);
    expect(heard).toContain(undefined);
    await notify('three');
    await expect.poll(() => heard).toContainEqual(['three']);
  });

  it('does not wait for a silent connection when the process stops', async () => {
    const another = new ChangeFeed({
      ...database.prepared,
      url: (...which) => proxy.through(database.prepared.url(...which)),
    });
    await another.onApplicationBootstrap();
    proxy.silence();
    await another.onApplicationShutdown();
    proxy.resume();
  });
});
