import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { EmbeddedPostgres, headOf } from '../../src/database/index.js';
import { TENANT_KINDS, TENANT_STATUSES } from '../../src/tenant/index.js';
import { CLI, type Outcome, runCommand, schemaErrors, startCommand } from '../kit/command-line.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestDatabase, type TestDatabase } from '../kit/test-database.js';
import { post, startProcess, type TestProcess } from '../kit/test-process.js';

const execute = promisify(execFile);
const LONG = 240_000;
const OWNER = ['--owner', 'ada@umbrella.example', '--owner-name', 'Ada Owner'];

let dataDir: string;
let service: TestProcess;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-cli-'));
  service = await startProcess({ DATA_DIR: dataDir, MIGRATE_PLACES: 'off' });
});
afterAll(async () => {
  service.child.kill('SIGTERM');
  await service.exited;
  await rm(dataDir, { recursive: true, force: true });
});

const run = (...args: string[]): Promise<Outcome> => runCommand({ DATA_DIR: dataDir }, ...args);
const tenants = (...args: string[]): Promise<Outcome> => run('tenants', ...args);

/** How many were written. */
async function mails(): Promise<number> {
  return (await readdir(path.join(dataDir, 'mail')).catch(() => [])).length;
}

/** As the superuser of the embedded server that the service runs. */
async function sql<Row extends object>(statement: string, values: unknown[] = []): Promise<Row[]> {
  return (await runSql((await EmbeddedPostgres.findRunning(dataDir))!, statement, values)) as Row[];
}

describe('the command line beside a running service', { timeout: LONG }, () => {
  it('makes a tenant by that service, which serves it and mails its owner', async () => {
    const { code, json, stderr } = await tenants(
      'create',
      'umbrella',
      '--name',
      'Umbrella Ltd',
      ...OWNER,
      '--plan',
      'pro',
      '--kind',
      'trial',
      '--setting',
      'chat.public=true',
      '--setting',
      'welcome=Hello',
      '--setting',
      'limits.chat_per_10s=7',
      '--json',
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('activate: done')]);
    expect(stderr).not.toContain('this command does the work');
    expect(schemaErrors('TenantDetails', json)).toBeUndefined();
    expect(json).toMatchObject({
      slug: 'umbrella',
      name: 'Umbrella Ltd',
      status: 'active',
      kind: 'trial',
      plan: 'pro',
      settings: { 'chat.public': true, welcome: 'Hello', 'limits.chat_per_10s': 7 },
      expires_at: expect.any(String),
    });
    expect((await post(service.port, '/session', { tenant_id: 'umbrella' })).status).toBe(201);
    await expect.poll(mails, { timeout: 30_000 }).not.toBe(0);
    const [event] = await sql(
      `SELECT actor_kind, actor_name FROM platform.audit_events WHERE event = 'tenant.created' AND tenant_id = $1`,
      [json.id],
    );
    expect(event).toEqual({ actor_kind: 'system', actor_name: `${os.userInfo().username} (command line)` });
    const steps = await sql(
      `SELECT DISTINCT actor_name FROM platform.audit_events WHERE event = 'tenant.activated' AND tenant_id = $1`,
      [json.id],
    );
    expect(steps).toEqual([{ actor_name: null }]);
  });

  it('shows tables to people, without colours where nobody sees them', async () => {
    const list = await tenants('list', '--search', 'umbr', '--total');
    expect(list.stdout.split('\n')[0]).toMatch(/^SLUG +NAME +STATUS +KIND +PLAN +CREATED$/);
    expect(list.stdout).toMatch(/^umbrella +Umbrella Ltd +active +trial +pro +\d{4}-\d\d-\d\d$/m);
    expect(list.stderr).toBe('1 in all\n');
    const shown = await tenants('show', 'umbrella');
    expect(shown.stdout).toMatch(/^status +active$/m);
    expect(shown.stdout).toMatch(/^welcome-mail +done +1 +\d+ ms$/m);
    expect(list.stdout + shown.stdout).not.toContain('\x1b');
  });

  it('takes a tenant through its life, and the service heeds it', async () => {
    const suspended = await tenants('suspend', 'umbrella', '--reason', 'The invoice is open.', '--json');
    expect(suspended.code).toBe(0);
    expect(schemaErrors('TenantView', suspended.json)).toBeUndefined();
    expect(suspended.json).toMatchObject({ status: 'suspended', suspended_reason: 'The invoice is open.' });
    await expect
      .poll(async () => (await post(service.port, '/session', { tenant_id: 'umbrella' })).status)
      .toBeGreaterThan(399);
    expect((await tenants('resume', 'umbrella', '--json')).json).toMatchObject({ status: 'active' });
    expect((await tenants('archive', 'umbrella', '--json')).json).toMatchObject({ status: 'archived' });
    const unsure = await tenants('delete', 'umbrella', '--confirm', 'umbrela');
    expect([unsure.code, unsure.stderr]).toEqual([5, expect.stringContaining('--confirm SLUG')]);
    const scheduled = await tenants('delete', 'umbrella', '--confirm', 'umbrella', '--json');
    expect(scheduled.json).toMatchObject({ status: 'archived', purge_after: expect.any(String) });
    expect((await tenants('purge-due', '--json')).json).toEqual({ purged: 0 });
    await sql(`UPDATE platform.tenants SET purge_after = now() WHERE slug = 'umbrella'`);
    expect((await tenants('purge-due', '--json')).json).toEqual({ purged: 1 });
    const refused = await tenants('restore', 'umbrella', '--json');
    expect([refused.code, refused.problem]).toEqual([
      4,
      expect.objectContaining({ status: 409, code: 'transition_not_allowed', tenant_status: 'deleted', allowed: [] }),
    ]);
  });

  it("tells a tenant's owners when somebody suspends it and brings it back", async () => {
    const told = async () => {
      const folder = path.join(dataDir, 'mail');
      const written = await Promise.all(
        (await readdir(folder)).map((file) => readFile(path.join(folder, file), 'utf8')),
      );
      return written
        .filter((mail) => /^To: .*owner@globex\.example/m.test(mail))
        .map((mail) => /^Subject: .*/m.exec(mail)?.[0]);
    };
    const before = await told();
    expect((await tenants('suspend', 'globex', '--reason', 'The invoice is open.')).code).toBe(0);
    await expect.poll(told, { timeout: 30_000 }).toHaveLength(before.length + 1);
    expect((await tenants('resume', 'globex')).code).toBe(0);
    await expect.poll(told, { timeout: 30_000 }).toHaveLength(before.length + 2);
    expect((await told()).join()).toMatch(/was suspended/);
    expect((await told()).join()).toMatch(/is back in service/);
  });

  it('edits by ETag, and gives settings back to their default', async () => {
    const first = await tenants('edit', 'initech', '--setting', 'welcome=1', '--unset', 'model', '--json');
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.json.settings).toMatchObject({ welcome: '1' });
    expect(first.json.settings).not.toHaveProperty('model');
    const stale = await tenants('edit', 'initech', '--name', 'Late', '--if-match', 'r1');
    expect([stale.code, stale.stderr]).toEqual([4, expect.stringContaining('--if-match')]);
    const etag = first.json.etag as string;
    const renamed = await tenants('edit', 'initech', '--slug', 'initrode', '--if-match', etag, '--json');
    expect([renamed.code, renamed.json.slug]).toEqual([0, 'initrode']);
    expect((await tenants('show', 'initech')).code).toBe(3);
    const never = await tenants('edit', 'initrode', '--expires-at', 'never', '--json');
    expect(never.json.expires_at).toBeNull();
  });

  it('says by its exit code what went wrong, and on standard error why and what to do', async () => {
    const create = ['tenants', 'create', 'hooli', '--name', 'Hooli', '--owner'];
    const cases: [string[], number, string][] = [
      [['tenants', 'show', 'nobody'], 3, 'tenant_unknown'],
      [['tenants', 'suspend', 'No-Body', '--reason', 'x'], 3, 'tenant_unknown'],
      [['plans', 'edit', 'gold', '--trial-days', '3'], 3, 'plan_unknown'],
      [['tenants', 'create', 'acme', '--name', 'Acme', ...OWNER], 4, 'slug_taken'],
      [['tenants', 'retry', 'acme'], 4, 'transition_not_allowed'],
      [[...create, 'ada'], 5, 'validation_failed'],
      [[...create, 'a@b.example', '--setting', 'no.such=1'], 5, 'validation_failed'],
      [['tenants', 'list', '--status', 'gone'], 5, 'validation_failed'],
      [['tenants', 'list', '--limit', '0'], 5, 'limit_invalid'],
      [['tenants', 'list', '--cursor', 'x'], 5, 'cursor_invalid'],
      [['tenants', 'import', '/no/such/file'], 5, 'file_unreadable'],
      [['tenants', 'import', os.tmpdir()], 5, 'file_unreadable'],
      [['plans', 'edit', 'free', '--trial-days', 'soon'], 5, 'validation_failed'],
    ];
    for (const [args, exit, code] of cases) {
      const outcome = await run(...args, '--json');
      expect([args, outcome.code, outcome.stdout, outcome.problem.code]).toEqual([args, exit, '', code]);
    }
    const { stderr } = await run(...create, 'ada', '--plan', 'gold');
    expect(stderr.split('\n')).toEqual([
      expect.stringContaining('[validation_failed]'),
      expect.stringMatching(/^ {2}plan must be one of free/),
      '  owner.email must be an e-mail address',
      'Correct what is listed and run it again.',
      '',
    ]);
  });

  it('gives one of many that ask for a slug at once the tenant, and the others 4', async () => {
    const asked = await Promise.all(
      [1, 2, 3].map((n) => tenants('create', 'vandelay', '--name', `Vandelay ${n}`, ...OWNER)),
    );
    expect(asked.map(({ code }) => code).sort()).toEqual([0, 4, 4]);
  });

  it('imports all or nothing, then lists them all page by page', async () => {
    const file = path.join(dataDir, 'many.jsonl');
    const lines = Array.from({ length: 450 }, (_, n) => JSON.stringify({ id: `many-${n}`, name: `Many \x1b[31m${n}` }));
    await writeFile(file, lines.join('\n'));
    const first = await tenants('import', file, '--json');
    expect([first.code, first.json, first.stderr]).toEqual([
      0,
      { created: 450, updated: 0, unchanged: 0 },
      '450 of 450\n',
    ]);
    await writeFile(file, '{"id":"many-0","name":"Changed"}\n{"id":"api","name":"x"}\n');
    const refused = await tenants('import', file);
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('line 2: id "api" is reserved')]);

    const all = await tenants('list', '--search', 'many', '--all', '--total', '--json');
    expect(all.stderr).toBe('');
    expect(schemaErrors('TenantPageView', all.json)).toBeUndefined();
    expect(new Set(all.json.items.map(({ slug }: { slug: string }) => slug)).size).toBe(450);
    expect(all.json).toMatchObject({ next_cursor: null, total: 450 });
    expect((await tenants('list', '--search', 'nosuch', '--all', '--json')).json).toEqual({
      items: [],
      next_cursor: null,
    });
    const page = (await tenants('list', '--limit', '2', '--json')).json;
    expect(schemaErrors('TenantPageView', page)).toBeUndefined();
    const next = (await tenants('list', '--limit', '2', '--cursor', page.next_cursor, '--json')).json;
    expect([...page.items, ...next.items].map(({ slug }: { slug: string }) => slug)).toEqual([
      'many-449',
      'many-448',
      'many-447',
      'many-446',
    ]);
    const table = await tenants('list', '--search', 'many', '--all');
    expect(table.stdout).not.toContain('\x1b');
    expect(table.stdout.trim().split('\n')).toHaveLength(451);
  });

  it('ends quietly when whoever reads it has had enough', async () => {
    const shell = `"$0" "$1" tenants list --all --json | head -c 20; echo " $\{PIPESTATUS[0]}"`;
    const { stdout, stderr } = await execute('bash', ['--norc', '-c', shell, process.execPath, CLI], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
    });
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^\{"items":\[\n.* 0\n$/s), '']);
  });

  it('finds nothing to migrate where everything is at head, and says so', async () => {
    const made = await run('tenants', 'create', 'placed', '--name', 'Placed', ...OWNER, '--isolation', 'schema');
    expect([made.code, made.stderr]).toEqual([0, expect.anything()]);
    const { code, json } = await run('migrate', '--json');
    expect([code, json]).toEqual([0, expect.objectContaining({ tables: [], migrated: 0, left: 0, failed: [] })]);
    expect((await run('migrate', '--dry-run')).stdout).toBe('-- Nothing to do.\n');
    const status = await run('migrate', 'status');
    expect(status.stdout).toMatch(/^SERVER +KIND +VERSION +PLACES +SPARE +FAILED\ndefault +schema +head +1 +0 +0$/m);
    const behind = headOf(MIGRATIONS).replace(/\d+$/, '1763600000050');
    await sql('UPDATE platform.places SET version = $1', [behind]);
    const canary = await run('migrate', '--canary', '1', '--tenant', 'nobody');
    expect([canary.code, canary.stderr]).toEqual([3, expect.stringContaining('There is no tenant nobody.')]);
    const again = await run('migrate', '--tenant', 'placed');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('1 place migrated')]);
    for (const wrong of [['--parallel', '0'], ['--canary', 'x'], ['--yes']]) {
      expect((await run('migrate', ...wrong)).code).toBe(2);
    }
  });

  it('lists and edits plans, and rotates keys', async () => {
    const plans = (await run('plans', 'list', '--json')).json;
    expect(schemaErrors('PlanListView', plans)).toBeUndefined();
    const edited = await run('plans', 'edit', 'basic', '--trial-days', '21', '--archive-after-days', 'never', '--json');
    expect(schemaErrors('PlanView', edited.json)).toBeUndefined();
    expect(edited.json).toMatchObject({ name: 'basic', trial_days: 21, archive_after_days: null });
    const stale = await run('plans', 'edit', 'basic', '--trial-days', '22', '--if-match', 'r1', '--json');
    expect([stale.code, stale.problem.code]).toEqual([4, 'revision_mismatch']);
    const key = await run('keys', 'rotate', 'tenant', '--json');
    expect(key.json).toMatchObject({ kid: expect.any(String), realm: 'tenant', active_from: expect.any(String) });
  });
});

describe('the command line without a service', { timeout: LONG }, () => {
  it('starts the database, does the work itself, two at once too, and leaves the mail to the next start', async () => {
    service.child.kill('SIGTERM');
    await service.exited;
    const before = await mails();
    const both = await Promise.all(
      ['stark', 'wayne'].map((slug) => tenants('create', slug, '--name', slug, ...OWNER, '--json')),
    );
    expect(both.map(({ code, json }) => [code, json?.status])).toEqual([
      [0, 'active'],
      [0, 'active'],
    ]);
    expect(both.map(({ stderr }) => stderr).join()).toContain('No service is running: this command does the work.');
    expect(both.map(({ stderr }) => stderr).join()).toContain('waits in the outbox');
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBeUndefined();
    expect(await mails()).toBe(before);

    service = await startProcess({ DATA_DIR: dataDir });
    await expect.poll(mails, { timeout: 60_000 }).toBe(before + 2);
    expect((await tenants('show', 'stark', '--json')).json.status).toBe('active');
  });
});

describe('the command line on a database of its own', { timeout: LONG }, () => {
  let database: TestDatabase;
  const at = () => ({
    DATABASE_URL: database.adminUrl,
    MASTER_KEY: database.env.masterKey,
    DATA_DIR: database.env.dataDir,
  });
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('leaves a tenant that goes on later when interrupted, and says so', async () => {
    const held = await holdInvitations(database);
    const waiting = startCommand(at(), 'tenants', 'create', 'tyrell', '--name', 'Tyrell', ...OWNER, '--json');
    await waiting.said('default-data: done');
    waiting.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await held.release();
    const outcome = await waiting.outcome;
    expect([outcome.code, outcome.json.status]).toEqual([130, 'provisioning']);
    expect(outcome.stderr).toContain('tenants wait tyrell');
    const resumed = await runCommand(at(), 'tenants', 'wait', 'tyrell', '--json');
    expect([resumed.code, resumed.json.status]).toEqual([0, 'active']);
    const invitations = await database.admin(
      `SELECT 1 FROM shared.invitations i JOIN platform.tenants t ON t.id = i.tenant_id WHERE t.slug = 'tyrell'`,
    );
    expect(invitations).toHaveLength(1);
  });

  it('does not wait when asked not to, exits 6 when the provisioning fails, and takes it back', async () => {
    const begun = await runCommand(
      at(),
      'tenants',
      'create',
      'weyland',
      '--name',
      'W',
      ...OWNER,
      '--no-wait',
      '--json',
    );
    expect([begun.code, begun.json.status]).toEqual([0, 'provisioning']);
    expect(schemaErrors('TenantView', begun.json)).toBeUndefined();
    await database.admin(`DELETE FROM platform.slugs WHERE slug = 'weyland'`);
    const failed = await runCommand(at(), 'tenants', 'wait', 'weyland', '--json');
    expect([failed.code, failed.json.status, failed.json.provisioning.state]).toEqual([6, 'failed', 'failed']);
    expect(failed.problem.code).toBe('provisioning_failed');
    const again = await runCommand(at(), 'tenants', 'retry', 'weyland');
    expect([again.code, again.stderr]).toEqual([6, expect.stringContaining('tenants roll-back weyland')]);
    const gone = await runCommand(at(), 'tenants', 'roll-back', 'weyland');
    expect([gone.code, gone.stdout]).toEqual([0, 'weyland is gone, and the slug is free again.\n']);
    expect((await runCommand(at(), 'tenants', 'show', 'weyland')).code).toBe(3);
  });

  it('exits 7 without a database, and 8 with an environment that is wrong', async () => {
    const unreachable = { ...at(), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    const down = await runCommand(unreachable, 'tenants', 'list', '--json');
    expect([down.code, down.stdout, down.problem.code]).toEqual([7, '', 'database_unavailable']);
    const wrong = await runCommand({ ...at(), PORT: 'eighty' }, 'tenants', 'list');
    expect([wrong.code, wrong.stderr]).toEqual([8, expect.stringContaining('PORT="eighty"')]);
  });
});

describe('usage', { timeout: LONG }, () => {
  it('needs no database to be helped or refused', async () => {
    const nowhere = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    const wrong = [
      [],
      ['tenants'],
      ['frobnicate'],
      ['tenants', 'frobnicate'],
      ['tenants', 'create', 'x'],
      ['tenants', 'create', 'x', '--name', 'x', '--owner', 'a@b.example', '--setting', 'nothing'],
      ['tenants', 'suspend', 'acme'],
      ['tenants', 'show', 'acme', 'globex'],
      ['tenants', 'list', '--all', '--limit', '3'],
      ['tenants', 'list', '--colour'],
      ['keys', 'rotate', 'nobody'],
      ['keys:rotate'],
    ];
    for (const args of wrong) {
      const outcome = await runCommand(nowhere, ...args);
      expect([args, outcome.code, outcome.stdout]).toEqual([args, 2, '']);
      expect(outcome.stderr).not.toBe('');
      const asJson = await runCommand(nowhere, ...args, '--json');
      expect([args, asJson.code, asJson.problem.code]).toEqual([args, 2, 'usage']);
    }
    const help = await runCommand(nowhere, 'tenants', 'list', '--help');
    expect(help.code).toBe(0);
    const words = help.stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain(TENANT_STATUSES.join(', '));
    expect(words).toContain(TENANT_KINDS.join(', '));
  });
});

/** Keeps the owner step waiting. */
async function holdInvitations(database: TestDatabase): Promise<{ release(): Promise<void> }> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE shared.invitations IN SHARE MODE');
  return {
    release: async () => {
      await client.query('ROLLBACK');
      await client.end();
    },
  };
}
