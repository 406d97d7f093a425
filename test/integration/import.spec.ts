import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readTenantsFile,
  SlugHolds,
  TenantChanges,
  TenantEvents,
  TenantImport,
  type TenantsImported,
  TenantsFileError,
} from '../../src/tenant/index.js';
import { newId } from '../../src/common/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-import-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(...lines: unknown[]) {
  const file = path.join(folder, 'tenants.jsonl');
  await writeFile(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return readTenantsFile(file);
}

const problemsOf = async (...lines: unknown[]): Promise<string[]> => {
  const error: unknown = await read(...lines).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TenantsFileError);
  return (error as TenantsFileError).problems;
};
const good = (id: string, more = {}) => ({ id, name: `The ${id}`, ...more });

describe('a tenants file', () => {
  it.each([[''], ['\n\n  \n'], ['\uFEFF']])('without a tenant is refused (%j)', async (text) => {
    expect(await problemsOf(text)).toEqual(['the file holds no tenant']);
  });

  it('is read with blank lines, a byte order mark and Windows line ends', async () => {
    const lines = await read(`\uFEFF${JSON.stringify(good('one'))}\r`, '\r', good('two'));
    expect(lines.map((line) => line.slug)).toEqual(['one', 'two']);
  });

  it('has every wrong line named by its number, blank lines counted', async () => {
    const problems = await problemsOf(good('fine'), '', '{"id":', '[]', '7', { id: 'nameless' }, good('fine-too'));
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['line 3', 'line 4', 'line 5', 'line 6']);
    expect(problems[0]).toContain('not JSON');
    expect(problems[3]).toContain('name must be');
  });

  it('may not give an id twice', async () => {
    expect(await problemsOf(good('twice'), good('once'), good('twice'))).toEqual([
      'line 3: id "twice" stands in line 1 already',
    ]);
  });

  it.each([
    ['a reserved slug', good('api'), 'id "api" is reserved'],
    ['an upper-case slug', good('Acme'), 'must be a DNS label'],
    ['a slug that is no label', good('-acme'), 'must be a DNS label'],
    ['a slug of 64 characters', good('a'.repeat(64)), 'must be a DNS label'],
    ['an unknown plan', good('acme', { plan: 'gold' }), 'plan must be one of free, basic'],
    ['a limit that is none', good('acme', { limits: { chat_per_10s: 0 } }), 'limits.chat_per_10s must be an integer'],
    ['limits that are no object', good('acme', { limits: 4 }), 'limits must be an object'],
    ['a NUL', good('acme', { note: 'a\u0000b' }), 'holds a NUL'],
  ])('may not hold %s', async (_, line, problem) => {
    expect(await problemsOf(good('fine'), line)).toEqual([expect.stringContaining(problem)]);
  });

  it('keeps fields that nobody knows', async () => {
    const [line] = await read(good('acme', { region: 'eu', limits: { chat_per_10s: 3, seats: 9 }, crm: { id: 7 } }));
    expect(line?.extra).toEqual({ region: 'eu', crm: { id: 7 }, limits: { seats: 9 } });
    expect(line?.settings).toEqual({ 'chat.public': true, 'limits.chat_per_10s': 3 });
  });
});

describe('an import', () => {
  let t: TestApp;
  let elsewhere: DataSource;
  let third: DataSource;
  /** The registry as another process has it: it shares nothing with the running application but the database. */
  let registry: TenantImport;
  beforeAll(async () => {
    t = await createTestApp();
    const url = t.database.prepared.url('platform');
    elsewhere = await new DataSource({ type: 'postgres', url, schema: 'platform', poolSize: 1 }).initialize();
    third = await new DataSource({ type: 'postgres', url, schema: 'platform', poolSize: 1 }).initialize();
    registry = new TenantImport(elsewhere, t.app.get(TenantChanges));
  });
  afterAll(async () => {
    await elsewhere.destroy();
    await third.destroy();
    await t.close();
  });

  const stored = (slug: string) =>
    t.database.admin<Record<string, unknown>>('SELECT * FROM platform.tenants WHERE slug = $1', [slug]);
  const open = async (tenant: string) => (await t.request('POST', '/session', { body: { tenant_id: tenant } })).status;

  it('is served within a second by a running application that had answered 404 before', async () => {
    expect(await open('newcomer')).toBe(404);
    expect(await open('newcomer')).toBe(404);
    await registry.import(await read(good('newcomer')), { mode: 'upsert' });
    await expect.poll(() => open('newcomer'), { timeout: 1000, interval: 20 }).toBe(201);
  });

  it('changes what a running application serves within a second', async () => {
    const welcome = async () =>
      (await t.request('POST', '/session', { body: { tenant_id: 'newcomer' } })).json.tenant.welcome;
    await registry.import(await read(good('newcomer', { welcome: 'Come in' })), { mode: 'upsert' });
    await expect.poll(welcome, { timeout: 1000, interval: 20 }).toBe('Come in');
  });

  it('is in the log once, with what came in, and not when nothing did', async () => {
    const lines = await read(good('logged'), good('logged-too'));
    for (const _ of [1, 2]) await t.app.get(TenantImport).import(lines, { mode: 'upsert' });
    const events = await t.database.admin(
      `SELECT details FROM platform.audit_events WHERE event = 'tenants.imported' AND details -> 'slugs' ? 'logged'`,
    );
    expect(events).toEqual([{ details: { created: 2, updated: 0, slugs: ['logged', 'logged-too'] } }]);
  });

  it('is one event for all that came in, and none for each, and not told when it did not come about', async () => {
    const heard: TenantsImported[] = [];
    t.app.get(TenantEvents).onImport((imported) => {
      heard.push(imported);
      return Promise.resolve();
    });
    const each = () => t.database.admin(`SELECT id FROM jobs.job WHERE name = 'tenant.event'`);
    const before = await each();
    const lines = await read(...Array.from({ length: 120 }, (_, n) => good(`told-${n}`)));
    const undone = registry.import(await read(good('untold'), good('told-again')), {
      mode: 'upsert',
      onProgress: () => {
        throw new Error('no');
      },
    });
    await expect(undone).rejects.toThrow('no');
    for (const _ of [1, 2]) await registry.import(lines, { mode: 'upsert' });
    await registry.import(await read(good('told-0', { plan: 'pro' })), { mode: 'upsert' });
    const told = () => heard.filter(({ slugs }) => slugs.some((slug) => /^(un)?told/.test(slug)));
    await expect.poll(() => told().length, { timeout: 20_000 }).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(told().sort((a, b) => b.created - a.created)).toMatchObject([
      { created: 120, updated: 0, actor_kind: 'system' },
      { created: 0, updated: 1, slugs: ['told-0'] },
    ]);
    expect(told()[0]?.slugs).toHaveLength(100);
    expect(await each()).toEqual(before);
  });

  it('done twice changes nothing the second time', async () => {
    const lines = await read(good('again', { plan: 'pro', region: 'eu' }), good('also'));
    expect(await registry.import(lines, { mode: 'upsert' })).toEqual({ created: 2, updated: 0, unchanged: 0 });
    const before = await stored('again');
    expect(before[0]).toMatchObject({ plan: 'pro', status: 'active', extra: { region: 'eu' } });
    expect(await registry.import(lines, { mode: 'upsert' })).toEqual({ created: 0, updated: 0, unchanged: 2 });
    expect(await stored('again')).toEqual(before);
  });

  it('keeps in the history of settings what it overwrites, and nothing else', async () => {
    const importing = t.app.get(TenantImport);
    await importing.import(await read(good('remembered', { welcome: 'Hi', model: 'mock-1' })), { mode: 'upsert' });
    const again = await read(good('remembered', { welcome: 'Ho', model: 'mock-1' }), good('fresh', { welcome: 'Hey' }));
    for (const mode of ['missing', 'upsert', 'upsert'] as const) await importing.import(again, { mode });
    const changes = await t.database.admin(
      `SELECT t.slug, c.key, c.before, c.after, c.actor->>'kind' AS by FROM platform.setting_changes c
         JOIN platform.tenants t ON t.id = c.tenant_id WHERE t.slug IN ('remembered', 'fresh')`,
    );
    expect(changes).toEqual([{ slug: 'remembered', key: 'welcome', before: 'Hi', after: 'Ho', by: 'system' }]);
  });

  it('brings a tenant to what the file says and keeps what the file does not say', async () => {
    await registry.import(await read(good('changing', { plan: 'pro', welcome: 'Hi', region: 'eu' })), {
      mode: 'upsert',
    });
    const [before] = await stored('changing');
    const lines = await read({ id: 'changing', name: 'Changed', model: 'mock-2', size: 3 });
    expect(await registry.import(lines, { mode: 'missing' })).toMatchObject({ created: 0, updated: 0, unchanged: 1 });
    expect(await stored('changing')).toEqual([before]);
    expect(await registry.import(lines, { mode: 'upsert' })).toMatchObject({ updated: 1 });
    expect((await stored('changing'))[0]).toMatchObject({
      id: before?.['id'],
      name: 'Changed',
      plan: 'pro',
      settings: { welcome: 'Hi', model: 'mock-2', 'chat.public': true },
      extra: { region: 'eu', size: 3 },
      // An edit like any other: who read the tenant before must not overwrite it unseen.
      revision: (before?.['revision'] as number) + 1,
    });
  });

  it('is all or nothing, and never gives a retired slug out again', async () => {
    await t.database.admin(
      `INSERT INTO platform.slugs (slug, tenant_id) VALUES ('retired', '01900000-0000-7000-8000-000000000001')`,
    );
    await registry.import(await read(good('closed')), { mode: 'upsert' });
    await t.database.admin(`UPDATE platform.tenants SET status = 'archived' WHERE slug = 'closed'`);
    for (const slug of ['retired', 'closed']) {
      const lines = await read(good('innocent'), good(slug));
      for (const mode of ['upsert', 'missing'] as const) {
        await expect(registry.import(lines, { mode })).rejects.toThrow(`id "${slug}" was retired`);
      }
      expect(await stored('innocent')).toEqual([]);
    }
    expect(await open('innocent')).toBe(404);
  });

  it('leaves alone what another tenant was called before, and what is held for somebody, naming the line', async () => {
    await registry.import(await read(good('renamed')), { mode: 'upsert' });
    await t.database.admin(
      `WITH held AS (INSERT INTO platform.slugs (slug, tenant_id) SELECT 'old-name', id FROM platform.tenants
         WHERE slug = 'renamed') INSERT INTO platform.slug_holds (slug, holder, expires_at)
       VALUES ('held', gen_random_uuid(), now() + interval '1 hour'), ('let-go', gen_random_uuid(), now())`,
    );
    const lines = await read(good('let-go'), '', good('old-name'), good('held'));
    for (const mode of ['upsert', 'missing'] as const) {
      const refused: unknown = await registry.import(lines, { mode }).catch((error: unknown) => error);
      expect((refused as TenantsFileError).problems).toEqual([
        'line 3: id "old-name" was retired and is never given out again',
        'line 4: id "held" is held for somebody who signs up',
      ]);
    }
    expect(await stored('let-go')).toEqual([]);
    await registry.import(lines.slice(0, 1), { mode: 'upsert' });
    expect(await stored('let-go')).toHaveLength(1);
  });

  it('and a hold of the same slug at the same time: the later one is refused, whichever it is', async () => {
    const holds = t.app.get(SlugHolds);
    const lines = await read(good('contested'));
    let begun = (): void => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    // Held in a transaction that is still open when the import comes.
    const holding = third.transaction(async (manager) => {
      await holds.hold(manager, 'contested', newId(), 60_000);
      begun();
      await new Promise((resolve) => setTimeout(resolve, 500));
    });
    await started;
    await expect(registry.import(lines, { mode: 'upsert' })).rejects.toThrow('is held for somebody');
    await holding;

    const importing = registry.import(await read(good('disputed')), {
      mode: 'upsert',
      onProgress: () => begun(),
    });
    const held = third.transaction((manager) => holds.hold(manager, 'disputed', newId(), 60_000));
    const outcomes = await Promise.allSettled([importing, held]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('rolls back batches that had already been written', async () => {
    const many = Array.from({ length: 6000 }, (_, n) => good(n === 5999 ? 'retired' : `batch-${n}`));
    await expect(registry.import(await read(...many), { mode: 'upsert' })).rejects.toThrow(TenantsFileError);
    expect(await stored('batch-0')).toEqual([]);
  });

  it('takes 100,000 tenants and tells how far it is', async () => {
    const total = 100_000;
    const lines = await read(...Array.from({ length: total }, (_, n) => good(`many-${n}`, { plan: 'free' })));
    const progress: [number, number][] = [];
    expect(await open('many-99999')).toBe(404);
    const onProgress = (done: number, all: number) => void progress.push([done, all]);
    const report = await registry.import(lines, { mode: 'upsert', onProgress });
    expect(report).toEqual({ created: total, updated: 0, unchanged: 0 });
    expect(progress.length).toBeGreaterThan(5);
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a - b));
    expect(progress.at(-1)).toEqual([total, total]);
    await expect.poll(() => open('many-99999'), { timeout: 1000, interval: 20 }).toBe(201);
  }, 120_000);
});
