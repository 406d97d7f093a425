import pg from 'pg';
import type { EntityMetadata } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { AccessGuard } from '../../src/auth/index.js';
import type { RoleKind } from '../../src/database/index.js';
import { SessionService } from '../../src/session/index.js';
import {
  CredentialCodec,
  isolationSql,
  type Layer,
  MAINTENANCE_POLICY,
  TENANT_POLICY,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { type Entity, parentsOf, Rows } from './rows.js';

let t: TestApp;
let rows: Rows;

async function open(): Promise<void> {
  t = await createTestApp();
  rows = await Rows.of(t);
}

const everyTable = async (statement: (table: string) => string): Promise<void> => {
  for (const { tableName } of rows.metadatas) await t.database.admin(statement(`shared.${tableName}`));
};

/** Drops every policy of the tenant-owned tables; returns what puts them back. */
async function dropPolicies(): Promise<() => Promise<void>> {
  const name = (kind: RoleKind) => t.database.prepared.roles.name(kind);
  await everyTable((table) => `DROP POLICY ${TENANT_POLICY} ON ${table}`);
  await everyTable((table) => `DROP POLICY ${MAINTENANCE_POLICY} ON ${table}`);
  return () =>
    everyTable((table) =>
      isolationSql(table, { tenant: name('tenant'), maintenance: name('maintenance') })
        .filter((statement) => statement.startsWith('CREATE POLICY'))
        .join(';'),
    );
}

/** What succeeded, or undefined where the layers that are left refused. */
const attempt = async <T>(fn: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await fn();
  } catch {
    return undefined;
  }
};

/** As globex, tries every verb on a row of acme's, in every table. */
async function expectNoLeak(): Promise<void> {
  const { acme, globex, source } = rows;
  for (const metadata of rows.metadatas) {
    const entity = metadata.target as Entity;
    const repository = rows.repository(metadata);
    await rows.clear();
    const theirs = await rows.seed(metadata, acme);
    const own = await rows.seed(metadata, globex);
    const before = await rows.stored(metadata, acme);
    const stolen = await rows.as(acme, () => repository.findOneBy({ id: theirs.id }));
    const spare = await rows.make(metadata, globex);
    const aliens: unknown[] = [];
    const note = (found: (object | null)[] | undefined) => {
      for (const row of found ?? []) if (row && 'tenantId' in row && row.tenantId !== globex.id) aliens.push(row);
    };
    await rows.as(globex, async () => {
      const builder = () => repository.createQueryBuilder('a');
      note(await attempt(() => repository.find()));
      note(await attempt(() => repository.findBy([{ id: theirs.id }, { id: own.id }])));
      note(await attempt(async () => [await repository.findOneBy({ id: theirs.id })]));
      note(await attempt(() => builder().where('1=1').orWhere('1=1').getMany()));
      note(await attempt(() => builder().where({ id: own.id }).where({ id: theirs.id }).getMany()));
      expect(await attempt(() => repository.count())).toBe(1);
      expect(await attempt(() => repository.exists({ id: theirs.id }))).toBe(false);
      expect(await attempt(() => builder().where('1=1').orWhere('1=1').getCount())).toBe(1);
      const joined = await builder()
        .leftJoin(entity, 'b', '1=1')
        .select('b.tenant_id', 'tenantId')
        .getRawMany<{ tenantId: string }>();
      expect(joined).toHaveLength(1);
      note(joined);
      const outer = builder();
      const inner = outer.subQuery().select('count(*)').from(entity, 'b').where('1=1').orWhere('1=1').getQuery();
      expect(Number((await outer.select(inner, 'n').getRawOne<{ n: string }>())?.n)).toBe(1);

      const changed = rows.appendOnly(metadata) ? undefined : 0;
      expect(await attempt(() => repository.update({ id: theirs.id }, rows.change(metadata)))).toBe(changed);
      expect(await attempt(() => repository.delete({ id: theirs.id }))).toBe(changed);
      await attempt(() => repository.upsert({ ...spare, id: theirs.id }, ['id']));
      await attempt(() => repository.insert({ ...spare, tenantId: acme.id }));
      await attempt(() => source.manager.remove(stolen));
      await attempt(() => source.manager.save(source.manager.create(entity, { ...spare, tenantId: acme.id })));
      await attempt(() =>
        source.manager.save(source.manager.create(entity, { ...spare, id: theirs.id, tenantId: acme.id })),
      );
      for (const relation of parentsOf(metadata)) {
        const parentId = theirs[relation.joinColumns.find((c) => c.propertyName !== 'tenantId')?.propertyName ?? ''];
        const pointer: Record<string, string> = {};
        for (const column of relation.joinColumns) {
          if (column.propertyName !== 'tenantId') pointer[column.propertyName] = parentId as string;
        }
        await attempt(() => repository.update({ id: own.id }, pointer));
        const found = await attempt(() => repository.find({ relations: { [relation.propertyName]: true } }));
        note(found);
        note(
          found?.map((row) => (row as unknown as Record<string, object | undefined>)[relation.propertyName] ?? null),
        );
        await attempt(() => rows.repository(relation.inverseEntityMetadata).delete({ id: parentId as string }));
      }
    });
    expect(aliens, metadata.name).toEqual([]);
    expect(await rows.stored(metadata, acme), metadata.name).toEqual(before);
  }
}

describe('with one layer taken away, nothing leaks through a repository', () => {
  beforeAll(open);
  afterAll(() => t.close());
  afterEach(() => rows.source.layersOff.clear());

  it('with all layers in place', () => expectNoLeak());

  it.each<Layer>(['filter', 'subscriber'])('without the %s', async (layer) => {
    rows.source.layersOff.add(layer);
    await expectNoLeak();
  });

  it('without row-level security', async () => {
    await everyTable((table) => `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
    try {
      await expectNoLeak();
    } finally {
      await everyTable((table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    }
  });

  it('without FORCE, which binds only the owner: the tenant role still sees its own rows alone', async () => {
    await everyTable((table) => `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
    try {
      await expectNoLeak();
    } finally {
      await everyTable((table) => `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    }
  });

  it('without the policies nothing leaks because nothing is served: each tenant loses its own rows too', async () => {
    const transaction = t.app.get(TenantTransaction);
    await rows.clear();
    const seeds = new Map<EntityMetadata, { own: object; spare: object }>();
    for (const metadata of rows.metadatas) {
      await rows.seed(metadata, rows.globex);
      seeds.set(metadata, {
        own: await rows.seed(metadata, rows.acme),
        spare: await rows.make(metadata, rows.acme),
      });
    }
    const before = await Promise.all(rows.metadatas.map((metadata) => rows.stored(metadata, rows.acme)));
    const restore = await dropPolicies();
    try {
      for (const [metadata, { own, spare }] of seeds) {
        const repository = rows.repository(metadata);
        const { id } = own as { id: string };
        const everything = `SELECT id FROM shared.${metadata.tableName}`;
        for (const tenant of [rows.acme, rows.globex]) {
          await rows.as(tenant, async () => {
            expect(await repository.find()).toEqual([]);
            expect(await transaction.query(everything)).toEqual([]);
            if (rows.appendOnly(metadata)) return;
            expect(await repository.update({ id }, rows.change(metadata))).toBe(0);
            expect(await repository.delete({ id })).toBe(0);
          });
        }
        await expect(rows.as(rows.acme, () => repository.insert(spare))).rejects.toThrow(/row-level security/);
      }
    } finally {
      await restore();
    }
    expect(await Promise.all(rows.metadatas.map((metadata) => rows.stored(metadata, rows.acme)))).toEqual(before);
    await expectNoLeak();
  });

  it('and the attempts above do find a leak once two overlapping layers are gone', async () => {
    rows.source.layersOff.add('filter').add('subscriber');
    await everyTable((table) => `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
    try {
      await expect(expectNoLeak()).rejects.toThrow();
    } finally {
      await everyTable((table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    }
  });

  // Last: what it drops stays dropped.
  it('without composite foreign and primary keys', async () => {
    const keys = await t.database.admin<{ sql: string }>(
      `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS sql FROM pg_constraint
        WHERE connamespace = 'shared'::regnamespace AND contype IN ('f', 'p', 'u')
          AND conrelid::regclass::text <> 'shared.migrations' ORDER BY contype = 'f' DESC`,
    );
    expect(keys.length).toBeGreaterThan(rows.metadatas.length);
    for (const { sql } of keys) await t.database.admin(sql);
    await expectNoLeak();
  });
});

describe('what stands alone leaks without it', () => {
  beforeAll(open);
  beforeEach(() => rows.clear());
  afterAll(() => t.close());

  it('raw SQL has only row-level security: with it disabled, globex reads and changes the row of acme', async () => {
    const transaction = t.app.get(TenantTransaction);
    for (const metadata of rows.metadatas) {
      const theirs = await rows.seed(metadata, rows.acme);
      const table = `shared.${metadata.tableName}`;
      const read = () => rows.as(rows.globex, () => transaction.query<{ id: string }>(`SELECT id FROM ${table}`));
      const erase = () => rows.as(rows.globex, () => transaction.query(`DELETE FROM ${table} RETURNING id`));
      const appendOnly = rows.appendOnly(metadata);
      expect(await read()).toEqual([]);
      if (!appendOnly) expect(await erase()).toEqual([]);
      await t.database.admin(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
      expect(await read()).toContainEqual({ id: theirs.id });
      if (appendOnly) await expect(erase()).rejects.toThrow(/permission denied/);
      else expect(await erase()).toContainEqual({ id: theirs.id });
      await t.database.admin(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    }
  });

  it('the owner has only FORCE: without it, the migrator reads the rows of every tenant', async () => {
    const owner = new pg.Client({ connectionString: t.database.prepared.url('migrator', true) });
    await owner.connect();
    try {
      for (const metadata of rows.metadatas) {
        const theirs = [await rows.seed(metadata, rows.acme), await rows.seed(metadata, rows.globex)];
        const table = `shared.${metadata.tableName}`;
        const ids = async () => (await owner.query<{ id: string }>(`SELECT id FROM ${table}`)).rows.map(({ id }) => id);
        expect(await ids()).toEqual([]);
        await t.database.admin(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
        expect(await ids()).toEqual(expect.arrayContaining(theirs.map(({ id }) => id)));
        await t.database.admin(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
      }
    } finally {
      await owner.end();
    }
  });

  it("a bare tenant header has only the guard: without it, the header alone reads acme's session", async () => {
    const credential = await t.session('acme');
    const [session] = await rows.stored(rows.source.getMetadata('ChatSession'), rows.acme);
    const sessionId = session?.['id'] as string;
    const foreign = await t.session('globex');
    const ask = (headers: Record<string, string>) =>
      t.request('GET', '/api/sessions/current', { headers: { 'x-tenant-id': 'acme', ...headers } });

    expect((await ask({ authorization: `Session ${credential}` })).status).toBe(200);
    expect((await ask({})).status).toBe(401);
    expect((await ask({ authorization: `Session ${foreign}` })).status).toBe(403);
    const forged = t.app.get(CredentialCodec).mint('session', rows.acme.id);
    expect((await ask({ authorization: `Session ${forged}` })).status).toBe(404);
    // The scope that the header opens is enough for everything below the guard.
    expect(await rows.as(rows.acme, () => t.app.get(SessionService).get(sessionId))).toMatchObject({ id: sessionId });
    const guard = vi.spyOn(AccessGuard.prototype, 'canActivate').mockImplementation((execution) => {
      execution.switchToHttp().getRequest<{ visitor: unknown }>().visitor = { sessionId };
      return true;
    });
    try {
      expect((await ask({})).status).toBe(200);
    } finally {
      guard.mockRestore();
    }
    expect((await ask({})).status).toBe(401);
  });
});
