import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isUuid, newId, unseal } from '../../src/common/index.js';
import { DEFAULT_SERVER, TenantRunner } from '../../src/tenancy/index.js';
import { headOf } from '../../src/database/index.js';
import { LineWriter } from '../../src/tenant/archive/archive.format.js';
import { newFrame } from '../../src/tenant/archive/archive.frame.js';
import { ImportLease } from '../../src/tenant/archive/import.lease.js';
import { ProvisioningUndo } from '../../src/tenant/provisioning/provisioning.undo.js';
import {
  APPLICATION_VERSION,
  type ArchiveImport,
  ArchiveRules,
  CopyIds,
  LeaseLost,
  type Manifest,
  TenantExporter,
  TenantImporter,
} from '../../src/tenant/index.js';
import { atPlace, fillTables, rowsOf } from '../kit/filled-tables.js';
import { secondInstance } from '../kit/platform.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { whatIsLeft } from '../kit/what-is-left.js';

const PASSPHRASE = 'nine green umbrellas in the rain';

let t: TestApp;
let folder: string;
beforeAll(async () => {
  t = await createTestApp();
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-archives-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await t.close();
});

async function archiveOf(slug: string, passphrase?: string, from = t): Promise<string> {
  const file = path.join(folder, `${slug}-${newId()}`);
  const { id } = await from.tenant(slug);
  await from.app
    .get(TenantExporter)
    .write(id, createWriteStream(file), { ...(passphrase && { sealer: { passphrase } }) });
  return file;
}

function take(file: string, wanted: Partial<ArchiveImport> = {}, into = t) {
  return into.app.get(TenantRunner).runAsPlatform('test', () => into.app.get(TenantImporter).run({ file, ...wanted }));
}

const sealed = { sealer: { passphrase: PASSPHRASE } };

/** Everything that could be left of a tenant that did not come to be. */
async function traces(slug: string): Promise<unknown> {
  const [row] = await t.database.admin<{ tenants: number; slugs: number; provisionings: number; places: number }>(
    `SELECT (SELECT count(*)::int FROM platform.tenants WHERE slug = $1) AS tenants,
            (SELECT count(*)::int FROM platform.slugs WHERE slug = $1) AS slugs,
            (SELECT count(*)::int FROM platform.provisionings) AS provisionings,
            (SELECT count(*)::int FROM platform.places WHERE tenant_id IS NOT NULL AND state <> 'used') AS places`,
    [slug],
  );
  return row;
}
const NOTHING = { tenants: 0, slugs: 0, provisionings: 0, places: 0 };

describe('an archive of acme', () => {
  let full: string;
  beforeAll(async () => {
    await fillTables(t, 'acme');
    await fillTables(t, 'globex');
    full = await archiveOf('acme', PASSPHRASE);
  });

  it('comes back in another installation byte for byte, in every table and column that it carries', async () => {
    const other = await createTestApp({ DEMO: 'off' });
    try {
      const { rows, manifest } = await take(full, { ...sealed, same: true }, other);
      const [before, after] = [await rowsOf(t, 'acme'), await rowsOf(other, 'acme')];
      const left = new Set(manifest.left_out.map(({ table }) => table));
      expect([...left].sort()).toEqual(['idempotency_keys', 'outbox_events', 'provisioning_marks']);
      for (const [table, filled] of Object.entries(before)) {
        expect(filled.length, table).toBeGreaterThan(0);
        if (left.has(table)) expect(after[table], table).toEqual([]);
        else if (table === 'users') expect(after[table]!.map(withoutSeal)).toEqual(filled.map(withoutSeal));
        else expect(after[table], table).toEqual(filled);
      }
      expect(rows.left).toBe(0);
      const acme = await other.tenant('acme');
      expect(acme).toMatchObject({ ...(await t.tenant('acme')), placement: { kind: 'shared' }, status: 'active' });
      const keys = other.database.prepared.keys.derive('mfa');
      for (const user of after['users']!.filter(({ mfa_secret: secret }) => secret !== null)) {
        const bytes = Buffer.from(user['mfa_secret']!.slice(2), 'hex');
        expect(unseal(keys, bytes, `${acme.id}:${user['id']}`).toString()).toMatch(/^SECRET\d$/);
      }
    } finally {
      await other.close();
    }
  });

  it.each(['shared', 'schema', 'database'] as const)(
    'becomes a new tenant in %s, with other ids',
    async (isolation) => {
      const slug = `acme-in-${isolation}`;
      const { tenant, rows } = await take(full, { ...sealed, slug, isolation });
      expect(tenant).toMatchObject({ slug, status: 'active', placement: { kind: isolation } });
      const [before, after] = [await rowsOf(t, 'acme'), await rowsOf(t, slug)];
      const { id: from } = await t.tenant('acme');
      const ids = new CopyIds(tenant.id);
      const credentials = new Set(
        [...t.app.get(ArchiveRules).all()].filter(([, rule]) => rule.credentials).map(([name]) => name),
      );
      expect(rows.left).toBe([...credentials].reduce((all, table) => all + before[table]!.length, 0));
      for (const [table, filled] of Object.entries(before)) {
        if (credentials.has(table) || t.app.get(ArchiveRules).of(table).leftOut)
          expect(after[table], table).toEqual([]);
        else
          expect(
            after[table]!.map(({ id }) => id),
            table,
          ).toEqual(filled.map(({ id }) => ids.of(id!)));
      }
      const old = new Set(
        Object.values(before)
          .flat()
          .map(({ id }) => id!),
      );
      for (const [table, made] of Object.entries(after)) {
        for (const row of made)
          for (const [column, value] of Object.entries(row)) {
            for (const [id] of value?.matchAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g) ?? []) {
              expect(old.has(id) || id === from, `${table}.${column} has ${id} of acme`).toBe(false);
            }
          }
      }
      const [event] = after['audit_events']!;
      expect(JSON.parse(event!['after']!)).toMatchObject({
        user: after['users']!.find(({ id }) => id === event!['actor_id'])?.['id'],
      });
      expect(await rowsOf(t, 'acme')).toEqual(before);
    },
  );

  it('without a passphrase has no secret in it, and says which', async () => {
    const file = await archiveOf('acme');
    const { tenant, manifest } = await take(file, { slug: 'acme-plain' });
    expect(manifest.secrets).toBe('left out');
    expect(manifest.keys).toBeUndefined();
    const said = manifest.left_out.map(({ table, column }) => (column ? `${table}.${column}` : table));
    expect(said).toEqual(
      expect.arrayContaining(['users.password_hash', 'users.mfa_secret', 'api_keys', 'chat_sessions.token_hash']),
    );
    const users = (await rowsOf(t, tenant.slug))['users']!;
    expect(users.length).toBeGreaterThan(0);
    for (const user of users)
      expect(user).toMatchObject({ password_hash: null, mfa_secret: null, mfa_enabled_at: null });
    const before = new Set((await rowsOf(t, 'acme'))['chat_sessions']!.map(({ token_hash: hash }) => hash));
    for (const { token_hash: hash } of (await rowsOf(t, tenant.slug))['chat_sessions']!)
      expect(before.has(hash)).toBe(false);
  });

  it('holds nothing of globex, and taking it in touches nothing of globex', async () => {
    const before = await rowsOf(t, 'globex');
    const file = await archiveOf('acme');
    await take(file, { slug: 'acme-beside-globex' });
    expect(await rowsOf(t, 'globex')).toEqual(before);
    const strangers = new Set(
      Object.values(before)
        .flat()
        .map(({ id }) => id!),
    );
    for (const row of Object.values(await rowsOf(t, 'acme-beside-globex')).flat())
      expect(strangers.has(row['id']!)).toBe(false);
  });

  it('is refused as the same tenant where that is, or under a slug that is taken', async () => {
    await expect(take(full, { ...sealed, same: true, slug: 'acme-again' })).rejects.toMatchObject({
      code: 'tenant_present',
    });
    await expect(take(full, { ...sealed, slug: 'globex' })).rejects.toMatchObject({ code: 'slug_taken' });
    expect(await traces('acme-again')).toEqual(NOTHING);
  });

  it('does not open under another passphrase, or none, or cut short or changed anywhere', async () => {
    const bytes = await readFile(full);
    const file = path.join(folder, 'broken');
    const refused = async (broken: Buffer, wanted: Partial<ArchiveImport> = sealed): Promise<string> => {
      await writeFile(file, broken);
      return take(file, { ...wanted, slug: 'broken' }).then(
        () => 'taken',
        (error: { code: string }) => error.code,
      );
    };
    expect(await refused(bytes, { sealer: { passphrase: 'another one entirely' } })).toBe('archive_sealed');
    expect(await refused(bytes, {})).toBe('archive_sealed');
    for (const share of [0, 0.01, 0.5, 0.99]) {
      expect(await refused(bytes.subarray(0, Math.floor(bytes.length * share)))).toMatch(/^archive_/);
    }
    expect(await refused(bytes.subarray(0, -1))).toBe('archive_invalid');
    expect(await refused(Buffer.concat([bytes, Buffer.of(0)]))).toBe('archive_invalid');
    for (const at of [20, 60, 300, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(await refused(changed), `byte ${at}`).toMatch(/^archive_/);
    }
    expect(await traces('broken')).toEqual(NOTHING);
  });

  it('is taken in once when it is taken in twice at once', async () => {
    const outcomes = await Promise.allSettled([
      take(full, { ...sealed, slug: 'acme-twice' }),
      take(full, { ...sealed, slug: 'acme-twice' }),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await t.tenant('acme-twice')).status).toBe('active');
  });

  it('that fails in its middle leaves nothing behind', async () => {
    const { id } = await t.tenant('acme');
    await t.database.admin(`CREATE FUNCTION shared.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100'; END $$`);
    await t.database.admin(`CREATE TRIGGER refuse BEFORE INSERT ON shared.sent_notices FOR EACH ROW
      WHEN (NEW.tenant_id <> '${id}') EXECUTE FUNCTION shared.refuse()`);
    await expect(take(full, { ...sealed, slug: 'half' })).rejects.toThrow('the disk is full');
    await t.database.admin('DROP FUNCTION shared.refuse() CASCADE');
    await expect.poll(() => traces('half'), { timeout: 15_000 }).toEqual(NOTHING);
    const [made] = await t.database.admin<{ id: string }>(
      `SELECT tenant_id AS id FROM platform.audit_events WHERE event = 'tenant.rolled_back' ORDER BY id DESC LIMIT 1`,
    );
    expect(isUuid(made?.id)).toBe(true);
    // What the platform is still to be told of it goes its own way.
    const left = Object.keys(await whatIsLeft(t.database, made!.id));
    expect(left.filter((table) => !table.startsWith('jobs.'))).toEqual([]);
    await take(full, { ...sealed, slug: 'half' });
  });

  it('never takes back acme, which is in service, nor a failed tenant that somebody else has', async () => {
    const { id } = await t.tenant('acme');
    const before = await rowsOf(t, 'acme');
    const undo = t.app.get(ProvisioningUndo);
    await expect(undo.run({ tenantId: id, lease: '0' })).rejects.toThrow('is active');
    const other = newId();
    await t.database.admin(
      `INSERT INTO platform.tenants (id, slug, name, plan, status) VALUES ($1, 'of-another', 'Other', 'free', 'failed')`,
      [other],
    );
    await t.database.admin(
      `INSERT INTO shared.sent_notices (tenant_id, id, sent_at) VALUES ($1, gen_random_uuid(), now())`,
      [other],
    );
    await expect(undo.run({ tenantId: other, lease: '0' })).rejects.toBeInstanceOf(LeaseLost);
    const kept = await t.database.admin(`DELETE FROM shared.sent_notices WHERE tenant_id = $1 RETURNING 1`, [other]);
    expect(kept).toHaveLength(1);
    await t.database.admin(`DELETE FROM platform.tenants WHERE id = $1`, [other]);
    expect(await rowsOf(t, 'acme')).toEqual(before);
  });

  it('whose activation went through though its answer was lost stays in service', async () => {
    const leases = t.app.get(ImportLease);
    const after = vi.spyOn(leases, 'during').mockImplementationOnce(async (_, work) => {
      await work();
      throw new Error('Connection terminated unexpectedly');
    });
    await expect(take(full, { ...sealed, slug: 'acme-lost-answer' })).rejects.toThrow('terminated');
    after.mockRestore();
    expect((await t.tenant('acme-lost-answer')).status).toBe('active');
    expect((await rowsOf(t, 'acme-lost-answer'))['users']!.length).toBeGreaterThan(0);
  });

  it('of a process that died is taken back by another', async () => {
    const id = newId();
    await t.database.admin(
      `WITH made AS (INSERT INTO platform.tenants (id, slug, name, plan, status) VALUES ($1, 'orphan', 'Orphan', 'free', 'provisioning')),
            slug AS (INSERT INTO platform.slugs (slug, tenant_id) VALUES ('orphan', $1))
       SELECT 1`,
      [id],
    );
    await t.database.admin(
      `INSERT INTO platform.provisionings (tenant_id, state, lease, next_attempt_at)
       VALUES ($1, 'undoing', nextval('platform.provisioning_leases'), now())`,
      [id],
    );
    const worker = await secondInstance(t.database);
    try {
      await expect.poll(() => traces('orphan'), { timeout: 15_000 }).toEqual(NOTHING);
    } finally {
      await worker.close();
    }
  });
});

describe('what archives know of the tables', () => {
  it('is something of every column that may hold a secret', async () => {
    const rules = t.app.get(ArchiveRules);
    const suspicious = await atPlace(t, 'acme', async (client) => {
      const { rows } = await client.query<{ table: string; column: string }>(
        `SELECT c.relname AS table, a.attname AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity AND a.attnum > 0
            AND NOT a.attisdropped AND c.relname NOT IN ('changes', 'closures', 'history')
            AND (a.atttypid = 'bytea'::regtype OR a.attname ~ '(hash|secret|password|hmac|sealed|cipher|private)')`,
      );
      return rows;
    });
    expect(suspicious.length).toBeGreaterThan(10);
    for (const { table, column } of suspicious) {
      const rule = rules.of(table);
      const said =
        rule.leftOut !== undefined ||
        rule.credentials ||
        rule.secrets?.[column] !== undefined ||
        rule.plain?.includes(column);
      expect(said, `${table}.${column}: say in ArchiveRules how it is archived`).toBe(true);
    }
  });

  it('is only of tables that there are', async () => {
    const tables = Object.keys(await rowsOf(t, 'acme'));
    expect(tables).toEqual(expect.arrayContaining([...t.app.get(ArchiveRules).all().keys()]));
  });
});

/** An archive whose sums are all as they should be, and which holds what no export would write. */
async function forged(tables: [name: string, columns: string[], rows: (string | null)[][]][], tenant: object = {}) {
  const writer = new LineWriter();
  const manifest: Manifest = {
    format: 1,
    application: APPLICATION_VERSION,
    migration: headOf(t.database.prepared.migrations),
    made_at: new Date().toISOString(),
    tenant: {
      id: newId(),
      slug: 'forged',
      name: 'Forged',
      plan: 'free',
      kind: 'production',
      settings: {},
      extra: {},
      expires_at: null,
      created_at: new Date().toISOString(),
      ...tenant,
    },
    secrets: 'left out',
    left_out: [],
  };
  const lines = [writer.manifest(manifest)];
  for (const [name, columns, rows] of tables) {
    lines.push(writer.begin(name, columns));
    if (rows.length > 0) lines.push(writer.rows(rows.map((row) => JSON.stringify(row))));
    lines.push(writer.close());
  }
  lines.push(writer.end().bytes);
  const { head } = await newFrame('gzip', undefined);
  const file = path.join(folder, newId());
  await writeFile(file, Buffer.concat([head, gzipSync(Buffer.concat(lines))]));
  return file;
}

describe('an archive that somebody has forged', () => {
  const ROLE = ['id', 'name', 'permissions'];
  it('comes in when it says nothing strange', async () => {
    const file = await forged([['roles', ROLE, [[newId(), 'clerk', '{}']]]]);
    expect((await take(file)).rows.tables).toEqual({ roles: 1 });
    const escaped = { slug: 'forged-not', extra: { note: 'C:\\u0000 \\ud800' } };
    expect((await take(await forged([], escaped))).tenant.slug).toBe('forged-not');
  });

  it.each<[string, [string, string[], (string | null)[][]][], object?]>([
    ['rows of another tenant', [['roles', ['tenant_id', ...ROLE], [[newId(), newId(), 'clerk', '{}']]]]],
    ['a table of the control plane', [['platform_admins', ['id', 'email'], [[newId(), 'me@evil.example']]]]],
    ['a table by a path', [['../platform.tenants', ['id'], []]]],
    ['SQL as the name of a table', [['roles" (id) VALUES (1); --', ['id'], []]]],
    ['the fence', [['closures', ['id', 'place'], [[newId(), 'shared']]]]],
    ['events to be done', [['outbox_events', ['id', 'type', 'payload'], [[newId(), 'x', '\\x00']]]]],
    ['a column that there is not', [['roles', [...ROLE, 'is_owner'], [[newId(), 'clerk', '{}', 'true']]]]],
    ['SQL as a value', [['roles', ROLE, [[`${newId()}'); DROP TABLE roles; --`, 'clerk', '{}']]]]],
    [
      'a row twice',
      [
        [
          'roles',
          ROLE,
          ((id) => [
            [id, 'a', '{}'],
            [id, 'b', '{}'],
          ])(newId()),
        ],
      ],
    ],
    [
      'a reference to nothing',
      [
        ['devices', ['id', 'user_id', 'name', 'token_hash', 'expires_at'], []],
        ['recovery_codes', ['id', 'user_id', 'code_hash'], []],
        ['chat_messages', ['id', 'session_id', 'role', 'content'], [[newId(), newId(), 'user', 'hi']]],
      ],
    ],
    [
      'a table twice',
      [
        ['roles', ROLE, []],
        ['roles', ROLE, []],
      ],
    ],
    ['a setting that there is not', [], { settings: { 'is.admin': true } }],
    ['a slug that is none', [], { slug: '../etc' }],
    ['a plan that there is not', [], { plan: 'gold' }],
    ['an id that is none', [], { id: 'root' }],
    ['a name of two lines', [], { name: 'For\nged' }],
    ['a name that is no text', [], { name: ['Forged'] }],
    ['a kind that there is not', [], { kind: 'royal' }],
    ['more that is a list', [], { extra: [] }],
    ['more with a NUL', [], { extra: { note: '\0' } }],
    ['more with half a character', [], { extra: { note: '\ud800' } }],
    ['more than anybody says of a tenant', [], { extra: { note: 'x'.repeat(300_000) } }],
    ['an end that is no moment', [], { expires_at: 'soon' }],
    ['a beginning out of time', [], { created_at: '99999-01-01T00:00:00Z' }],
  ])('is refused, and leaves nothing: %s', async (_, tables, tenant) => {
    const file = await forged(tables, { slug: 'forged-again', ...tenant });
    await expect(take(file)).rejects.toMatchObject({ status: 422 });
    await expect.poll(() => traces('forged-again'), { timeout: 15_000 }).toEqual(NOTHING);
  });

  it('is refused when it is from the future, or from before what can be followed', async () => {
    const file = await forged([], { slug: 'forged-again' });
    const at = async (migration: string): Promise<string> => {
      const { head } = await newFrame('gzip', undefined);
      const body = gunzipSync((await readFile(file)).subarray(head.length)).toString();
      const other = body.replace(headOf(t.database.prepared.migrations), migration);
      await writeFile(`${file}-${migration}`, Buffer.concat([head, gzipSync(other)]));
      return `${file}-${migration}`;
    };
    await expect(take(await at('AddMore1999999999999'))).rejects.toMatchObject({ code: 'archive_version' });
    await expect(take(await at('CreateChat1763600000001'))).rejects.toMatchObject({ code: 'archive_version' });
    expect(await traces('forged-again')).toEqual(NOTHING);
  });

  it('is read a line at a time, so one endless line is given up on', { timeout: 240_000 }, async () => {
    const { head } = await newFrame('gzip', undefined);
    const file = path.join(folder, 'bomb');
    await writeFile(file, Buffer.concat([head, gzipSync(Buffer.alloc(200 * 2 ** 20, 32))]));
    await expect(take(file)).rejects.toMatchObject({ code: 'archive_invalid' });
  });
});

it('says of which application it is', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  expect(APPLICATION_VERSION).toBe(version);
});

describe('a tenant of 120,000 rows', () => {
  it('goes out and comes in with flat memory', async () => {
    const { id } = await t.tenant('initech');
    await atPlace(t, 'initech', async (client) => {
      await client.query(
        `INSERT INTO chat_sessions (tenant_id, id, token_hash)
        SELECT $1, gen_random_uuid(), sha256(i::text::bytea) FROM generate_series(1, 200) i`,
        [id],
      );
      await client.query(
        `INSERT INTO chat_messages (tenant_id, id, session_id, role, content)
        SELECT $1, gen_random_uuid(), s.id, 'user', repeat(md5(i::text), 16) FROM chat_sessions s, generate_series(1, 600) i
         WHERE s.tenant_id = $1`,
        [id],
      );
    });
    const most = { rss: 0 };
    global.gc?.();
    const start = process.memoryUsage().rss;
    const watch = setInterval(() => (most.rss = Math.max(most.rss, process.memoryUsage().rss)), 20);
    const file = await archiveOf('initech', PASSPHRASE);
    const { rows } = await take(file, { ...sealed, slug: 'initech-copy' });
    clearInterval(watch);
    expect(rows.tables['chat_messages']).toBeGreaterThanOrEqual(120_000);
    expect((await stat(file)).size).toBeLessThan(20 * 2 ** 20);
    // The rows are 75 MB of text; scrypt alone takes 128 MiB for a moment.
    expect((most.rss - start) / 2 ** 20).toBeLessThan(330);
    expect((await t.tenant('initech-copy')).placement.server ?? DEFAULT_SERVER).toBe(DEFAULT_SERVER);
  });
});

/** Sealed anew, with another nonce: what it holds is compared by opening it. */
function withoutSeal({ mfa_secret: secret, ...row }: Record<string, string | null>) {
  return { ...row, has_mfa: secret !== null };
}
