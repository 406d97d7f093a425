import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { JobRegistry } from '../../src/jobs/job.registry.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { BackupJobs, ErasureProver, TenantBackups } from '../../src/tenant/index.js';
import { runCommand, startCommand } from '../kit/command-line.js';
import { fillTables } from '../kit/filled-tables.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, eraseAtOnce, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { testEnv } from '../kit/test-env.js';

let t: TestApp;
let admin: SignedInAdmin;
let folder: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-backups-'));
  const more = { ...ROOT_ENV, BACKUP_DIR: folder, BACKUP_SCHEDULE: '17 2 * * *', TENANT_DELETION_GRACE_DAYS: '0' };
  t = await createTestApp(more);
  env = testEnv({ ...more, DATABASE_URL: t.database.adminUrl, DATA_DIR: t.database.env.dataDir });
  admin = await signInAdmin(t);
  await fillTables(t, 'acme');
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

const backups = () => t.app.get(TenantBackups);
const asPlatform = <T>(work: () => Promise<T>): Promise<T> => t.app.get(TenantRunner).runAsPlatform('test', work);
const make = (slug: string) => asPlatform(async () => (await backups().make((await backups().begin(slug)).id))!);
const sweep = () =>
  asPlatform(() => t.app.get(BackupJobs).sweep({ id: 'x', attempt: 1, signal: new AbortController().signal }));
/** Keeps every export from its end for as long as `work` takes. */
async function whileBlocked(work: () => Promise<void>): Promise<void> {
  const blocker = new pg.Client({ connectionString: t.database.adminUrl });
  await blocker.connect();
  try {
    await blocker.query('BEGIN; LOCK TABLE shared.sent_notices IN ACCESS EXCLUSIVE MODE');
    await work();
  } finally {
    await blocker.end();
  }
}

const filesOf = async (slug: string): Promise<string[]> => {
  const { id } = await t.tenant(slug);
  return readdir(path.join(folder, id)).catch(() => []);
};

describe('a backup of acme', () => {
  it('is one encrypted file that is whole, and says so', async () => {
    const { id } = await t.tenant('acme');
    const made = await make('acme');
    expect(made).toMatchObject({ state: 'done', tenantId: id, error: null });
    const file = path.join(folder, id, `${made.id}.tenant`);
    const bytes = await readFile(file);
    expect([bytes.length, (await stat(file)).mode & 0o777]).toEqual([made.bytes, 0o600]);
    expect(bytes.toString('latin1')).toContain('"kdf":"key"');
    expect(bytes.toString('latin1')).not.toMatch(/manifest|users|acme/);
    expect(await asPlatform(() => backups().verify(made.id))).toEqual(made);
    const [event] = await t.database.admin<{ details: object }>(
      `SELECT details FROM platform.audit_events WHERE event = 'tenant.backed_up' AND tenant_id = $1`,
      [id],
    );
    expect(event!.details).toMatchObject({ backup: made.id, rows: made.rows });
  });

  it('that was changed, cut short or taken away is found out', async () => {
    const { id, tenantId } = await make('acme');
    const file = path.join(folder, tenantId, `${id}.tenant`);
    const bytes = await readFile(file);
    const verdict = () =>
      asPlatform(() => backups().verify(id)).then(
        () => 'whole',
        (error: { code: string }) => error.code,
      );
    expect(await verdict()).toBe('whole');
    const changed = Buffer.from(bytes);
    changed[Math.floor(bytes.length / 2)]! ^= 1;
    for (const broken of [changed, bytes.subarray(0, -1), Buffer.alloc(0)]) {
      await writeFile(file, broken);
      expect(await verdict()).toBe('backup_damaged');
    }
    // Also where somebody has made the sum fit.
    await writeFile(file, changed);
    await t.database.admin(`UPDATE platform.backups SET sha256 = encode(sha256($2), 'hex') WHERE id = $1`, [
      id,
      changed,
    ]);
    expect(await verdict()).toBe('backup_damaged');
    await rm(file);
    expect(await verdict()).toBe('backup_damaged');
    await t.database.admin('DELETE FROM platform.backups WHERE id = $1', [id]);
  });

  it('is made once when two ask for it at once', async () => {
    const before = await filesOf('acme');
    const [one, two] = await asPlatform(() => Promise.all([backups().begin('acme'), backups().begin('acme')]));
    expect(one.id).toBe(two.id);
    const made = await asPlatform(() => Promise.all([backups().make(one.id), backups().make(one.id)]));
    expect(made.filter((backup) => backup?.state === 'done')).toHaveLength(1);
    expect((await filesOf('acme')).length).toBe(before.length + 1);
  });

  it('whose process is killed leaves nothing that counts, and is made by the next', async () => {
    const before = await filesOf('acme');
    const parts = async () => (await filesOf('acme')).filter((name) => name.endsWith('.part'));
    // A process starts only while no table is locked: so it is held up until this one is.
    await t.database.admin(`CREATE FUNCTION platform.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_sleep(3); RETURN NEW; END $$`);
    await t.database.admin(`CREATE TRIGGER dawdle BEFORE UPDATE ON platform.backups FOR EACH ROW
      WHEN (OLD.state = 'waiting') EXECUTE FUNCTION platform.dawdle()`);
    const { child, outcome } = startCommand(env, 'backups', 'run', 'acme');
    const waiting = () => t.database.admin(`SELECT 1 FROM platform.backups WHERE state = 'waiting'`);
    await vi.waitFor(async () => expect(await waiting()).toHaveLength(1), { timeout: 30_000 });
    await whileBlocked(async () => {
      await vi.waitFor(async () => expect(await parts()).toHaveLength(1), { timeout: 20_000 });
      child.kill('SIGKILL');
      await outcome;
    });
    await t.database.admin('DROP FUNCTION platform.dawdle() CASCADE');
    const [running] = (await asPlatform(() => backups().list('acme', 1))).items;
    expect(running!.state).toBe('running');
    await expect(asPlatform(() => backups().verify(running!.id))).rejects.toMatchObject({ code: 'unknown_backup' });
    // Nobody takes it over while its process may still live.
    expect(await asPlatform(() => backups().make(running!.id))).toBeUndefined();
    await t.database.admin('UPDATE platform.backups SET held_until = now() WHERE id = $1', [running!.id]);
    const made = await make('acme');
    expect(made).toMatchObject({ id: running!.id, state: 'done' });
    const [part] = await parts();
    await utimes(path.join(folder, made.tenantId, part!), new Date(0), new Date(0));
    await sweep();
    expect((await filesOf('acme')).sort()).toEqual([...before, `${made.id}.tenant`].sort());
  });

  it('of a process that was taken for dead is not kept beside the other one', async () => {
    const begun = await asPlatform(() => backups().begin('acme'));
    let late: Promise<unknown> | undefined;
    await whileBlocked(async () => {
      late = asPlatform(() => backups().make(begun.id)).catch((error: Error) => error.name);
      const part = async () => (await filesOf('acme')).some((name) => name.endsWith('.part'));
      await vi.waitFor(async () => expect(await part()).toBe(true), { timeout: 10_000 });
      await t.database.admin('UPDATE platform.backups SET lease = 0 WHERE id = $1', [begun.id]);
    });
    expect(await late).toBe('BackupLost');
    expect((await filesOf('acme')).filter((name) => name.includes(begun.id))).toEqual([]);
    await t.database.admin('DELETE FROM platform.backups WHERE id = $1', [begun.id]);
  });

  it('that fails says why, and leaves no file', async () => {
    const [{ id }] = (await t.database.admin<{ id: string }>(
      `UPDATE platform.tenants SET status = 'failed' WHERE slug = 'initech' RETURNING id`,
    )) as [{ id: string }];
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
    await expect(make('initech')).rejects.toMatchObject({ code: 'tenant_not_exportable' });
    const [failed] = (await asPlatform(() => backups().list(id, 1))).items;
    expect(failed).toMatchObject({ state: 'failed', error: 'tenant_not_exportable' });
    expect(await readdir(path.join(folder, id))).toEqual([]);
    await t.database.admin(`UPDATE platform.tenants SET status = 'active' WHERE id = $1`, [id]);
    await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  });
});

describe('backups', () => {
  it('are ordered and listed by API, page by page', async () => {
    const ordered = await admin.send('POST', '/api/admin/tenants/globex/backups');
    expect(ordered.status, ordered.text).toBe(202);
    const list = () => admin.get('/api/admin/tenants/globex/backups?limit=1');
    await vi.waitFor(async () => expect((await list()).json.items[0]).toMatchObject({ state: 'done' }), {
      timeout: 20_000,
    });
    const [item] = (await list()).json.items;
    expect(item).toMatchObject({ id: ordered.json.id, scheduled: false });
    expect((await admin.get('/api/admin/tenants/nobody/backups')).status).toBe(404);
    const newer = (await admin.send('POST', '/api/admin/tenants/globex/backups')).json;
    await vi.waitFor(async () => expect((await list()).json.items).toMatchObject([{ id: newer.id, state: 'done' }]), {
      timeout: 20_000,
    });
    const cursor = (await list()).json.next_cursor;
    const from = (tenant: string, at: string) =>
      admin.get(`/api/admin/tenants/${tenant}/backups?limit=1&cursor=${encodeURIComponent(at)}`);
    expect((await from('globex', cursor)).json).toMatchObject({ items: [{ id: item.id }] });
    // Neither is a place in another list, nor is a bare id one in any.
    for (const refused of [await from('acme', cursor), await from('globex', newer.id)])
      expect([refused.status, refused.json.code]).toEqual([422, 'cursor_invalid']);
  });

  it('are made, listed and verified by command', async () => {
    const run = await runCommand(env, 'backups', 'run', 'globex', '--json');
    expect(run.code, run.stderr).toBe(0);
    const [{ id }] = run.json.items;
    const listed = await runCommand(env, 'backups', 'list', 'globex', '--json');
    expect(listed.json.items[0]).toEqual(run.json.items[0]);
    expect((await runCommand(env, 'backups', 'verify', id)).code).toBe(0);
    const { tenantId } = await asPlatform(() => backups().find(id));
    const file = path.join(folder, tenantId, `${id}.tenant`);
    await writeFile(file, 'nothing');
    expect((await runCommand(env, 'backups', 'verify', id)).code).toBe(5);
    await rm(file);
    await t.database.admin('DELETE FROM platform.backups WHERE id = $1', [id]);
  });

  it('are made of all tenants when it is time, which BACKUP_SCHEDULE says', async () => {
    const [cron] = await t.database.admin<{ expression: string }>(
      `SELECT expression FROM platform.job_crons WHERE name = 'backups.run'`,
    );
    expect(cron).toEqual({ expression: '17 2 * * *' });
    const run = { id: 'x', attempt: 1, signal: new AbortController().signal };
    await asPlatform(() => t.app.get(JobRegistry).get('backups.run', 'platform').handle(undefined, run));
    const waiting = () =>
      t.database.admin<{ slug: string }>(
        `SELECT t.slug FROM platform.tenants t WHERE NOT EXISTS (SELECT 1 FROM platform.backups b
          WHERE b.tenant_id = t.id AND b.scheduled AND b.state = 'done')`,
      );
    await vi.waitFor(async () => expect(await waiting()).toEqual([]), { timeout: 60_000 });
  });

  it('go when they are past BACKUP_KEEP_DAYS, but for the last good one', async () => {
    await make('globex');
    const last = await make('globex');
    await t.database.admin(`UPDATE platform.backups SET created_at = now() - interval '31 days' WHERE tenant_id = $1`, [
      last.tenantId,
    ]);
    await sweep();
    expect(await filesOf('globex')).toEqual([`${last.id}.tenant`]);
    expect((await asPlatform(() => backups().list('globex', 10))).items).toMatchObject([{ id: last.id }]);
  });

  it('of a tenant that is erased go with it, and what is left of them is found', async () => {
    const made = await createTenant(admin, 'doomed', {});
    expect(made.status, made.text).toBe(201);
    const { id } = await untilStatus(admin, 'doomed', 'active', 'failed');
    await make('doomed');
    expect(await filesOf('doomed')).toHaveLength(1);
    await eraseAtOnce(t, 'doomed');
    expect(await readdir(folder)).not.toContain(id);
    const prove = () => t.app.get(ErasureProver).prove('doomed');
    expect((await prove()).found).toEqual([]);
    await mkdir(path.join(folder, id));
    await writeFile(path.join(folder, id, 'forgotten.tenant'), 'sealed');
    expect(await prove()).toMatchObject({ proven: false, found: [{ where: 'backups', count: 1 }] });
  });

  it('are refused where there is no place for them', async () => {
    const other = await createTestApp({ ...ROOT_ENV });
    try {
      const root = await signInAdmin(other);
      const wishes = [
        ['/api/admin/tenants/acme/backups', undefined],
        ['/api/admin/tenants/acme/restores', { backup_id: randomUUID() }],
      ] as const;
      for (const [path, body] of wishes) {
        const refused = await root.send('POST', path, body);
        expect([refused.status, refused.json.code]).toEqual([409, 'backups_off']);
      }
    } finally {
      await other.close();
    }
  });
});

it.each(['tenants.retire', 'domains.check', 'signups.purge', 'backups.sweep'])(
  'the cron %s does its work when the engine calls it',
  async (name) => {
    const run = { id: 'x', attempt: 1, signal: new AbortController().signal };
    await asPlatform(() => t.app.get(JobRegistry).get(name, 'platform').handle(undefined, run));
  },
);
