import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { TenantContextMissing, TenantMismatch, TenantTransaction } from '../../src/tenancy/index.js';
import { TABLES_OF_MOVES } from '../../src/database/index.js';
import { createTestApp } from '../kit/test-app.js';
import { type Entity, parentsOf, type Row, Rows } from './rows.js';

// The tests below are made from the metadata, so the application has to be up before they are collected.
const t = await createTestApp();
const rows = await Rows.of(t);
const { acme, globex, source } = rows;
const transaction = t.app.get(TenantTransaction);
afterAll(() => t.close());

it('covers every tenant-owned table of the database', async () => {
  const tables = await t.database.admin<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'shared'::regnamespace AND relkind IN ('r', 'p')
        AND relname <> 'migrations' ORDER BY 1`,
  );
  // Nothing of the product's goes to the tables by which tenants move: a test of theirs says who may do what.
  const covered = [...rows.metadatas.map((metadata) => metadata.tableName), ...TABLES_OF_MOVES];
  expect(covered.sort()).toEqual(tables.map((table) => table.name));
});

describe.each(rows.metadatas.map((metadata) => ({ name: metadata.name, metadata })))('$name', ({ metadata }) => {
  const entity = metadata.target as Entity;
  const table = metadata.tableName;
  const repository = rows.repository(metadata);
  const appendOnly = rows.appendOnly(metadata);
  let theirs: Row;
  let own: Row;
  let before: unknown;

  beforeEach(async () => {
    await rows.clear();
    theirs = await rows.seed(metadata, acme);
    own = await rows.seed(metadata, globex);
    before = await rows.stored(metadata, acme);
    expect(before).toHaveLength(1);
  });

  /** Runs as globex and then checks that acme's rows are what they were. */
  const asGlobex = async <T>(fn: () => Promise<T> | T): Promise<T> => {
    try {
      return await rows.as(globex, fn);
    } finally {
      expect(await rows.stored(metadata, acme)).toEqual(before);
    }
  };
  const idsOf = (found: { id: string }[]) => found.map((row) => row.id);

  it('lets acme find its own row', async () => {
    expect(await rows.as(acme, () => repository.findOneBy({ id: theirs.id }))).toMatchObject({ id: theirs.id });
  });

  it("does not find, count or tell the existence of acme's row", async () => {
    await asGlobex(async () => {
      expect(idsOf(await repository.find())).toEqual([own.id]);
      expect(await repository.find({ where: { id: theirs.id } })).toEqual([]);
      expect(idsOf(await repository.findBy([{ id: theirs.id }, { id: own.id }]))).toEqual([own.id]);
      expect(await repository.findOne({ where: { id: theirs.id } })).toBeNull();
      expect(await repository.findOneBy({ id: theirs.id })).toBeNull();
      expect(await repository.count()).toBe(1);
      expect(await repository.exists({ id: theirs.id })).toBe(false);
    });
  });

  it("refuses a criterion, a row or a change that names acme's tenant id", async () => {
    await asGlobex(async () => {
      const named = { id: theirs.id, tenantId: acme.id };
      const row = { ...(await rows.make(metadata, globex)), tenantId: acme.id };
      const attempts = [
        () => repository.findOneBy(named),
        () => repository.exists(named),
        () => repository.update(named, rows.change(metadata)),
        () => repository.update({ id: own.id }, { tenantId: acme.id }),
        () => repository.delete(named),
        () => repository.insert(row),
        () => repository.upsert(row, ['id']),
      ];
      for (const attempt of attempts) await expect((async () => attempt())()).rejects.toBeInstanceOf(TenantMismatch);
    });
  });

  it("does not update, delete or upsert acme's row", async () => {
    await asGlobex(async () => {
      const update = () => repository.update({ id: theirs.id }, rows.change(metadata));
      const erase = () => repository.delete({ id: theirs.id });
      const row = { ...(await rows.make(metadata, globex)), id: theirs.id };
      const upsert = () => repository.upsert(row, ['id']);
      if (appendOnly) {
        for (const verb of [update, erase, upsert]) await expect(verb()).rejects.toThrow(/permission denied/);
        return;
      }
      expect(await update()).toBe(0);
      expect(await erase()).toBe(0);
      await upsert();
      expect(await repository.findOneBy({ id: theirs.id })).toMatchObject({ tenantId: globex.id });
    });
  });

  if (appendOnly) {
    it('lets globex change or remove not even its own row, which stays as it was', async () => {
      const mine = await rows.stored(metadata, globex);
      await asGlobex(async () => {
        const loaded = await repository.findOneBy({ id: own.id });
        const verbs = [
          () => repository.update({ id: own.id }, rows.change(metadata)),
          () => repository.delete({ id: own.id }),
          () => repository.upsert({ ...own, ...rows.change(metadata) }, ['id']),
          () => source.manager.save(Object.assign(loaded!, rows.change(metadata))),
          () => source.manager.remove(loaded),
          () => transaction.query(`TRUNCATE ${table}`),
        ];
        for (const verb of verbs) await expect(verb(), String(verb)).rejects.toThrow(/permission denied/);
      });
      expect(await rows.stored(metadata, globex)).toEqual(mine);
    });
  }

  it('stays within globex in a query builder, whatever is added to it', async () => {
    await asGlobex(async () => {
      const builder = () => repository.createQueryBuilder('a');
      expect(idsOf(await builder().getMany())).toEqual([own.id]);
      expect(idsOf(await builder().where('1=1').orWhere('1=1').getMany())).toEqual([own.id]);
      expect(await builder().where({ id: own.id }).where({ id: theirs.id }).getMany()).toEqual([]);
      expect(await builder().where('a.id = :id', { id: theirs.id }).orWhere('1=0').getCount()).toBe(0);
      expect(await builder().where({ tenantId: acme.id }).orWhere('a.tenantId = :x', { x: acme.id }).getMany()).toEqual(
        [],
      );
      expect(await builder().setParameter('scopedTenantId', acme.id).getMany()).toHaveLength(1);
    });
  });

  it('joins only rows of globex, even on a condition that is always true', async () => {
    for (const other of rows.metadatas) {
      if (other !== metadata) await rows.seed(other, acme);
    }
    before = await rows.stored(metadata, acme);
    await asGlobex(async () => {
      for (const other of rows.metadatas) {
        const found = await repository
          .createQueryBuilder('a')
          .leftJoin(other.target as Entity, 'b', '1=1')
          .select(['a.id AS a', 'b.tenant_id AS tenant'])
          .getRawMany<{ tenant: string | null }>();
        expect(found.length).toBeGreaterThan(0);
        expect(found.filter(({ tenant }) => tenant !== null && tenant !== globex.id)).toEqual([]);
      }
    });
  });

  it('sees only rows of globex in a subquery', async () => {
    await asGlobex(async () => {
      const builder = repository.createQueryBuilder('a');
      const inner = builder.subQuery().select('count(*)').from(entity, 'b').where('1=1').orWhere('1=1').getQuery();
      const found = await builder.select(inner, 'n').getRawOne<{ n: string }>();
      expect(Number(found?.n)).toBe(1);
    });
  });

  it.each(parentsOf(metadata).map((relation) => ({ relation, property: relation.propertyName })))(
    "loads $property of globex only, and refuses to point it at acme's",
    async ({ relation, property }) => {
      const parents = rows.repository(relation.inverseEntityMetadata);
      const parent = await rows.as(acme, async () => (await parents.find())[0]);
      await asGlobex(async () => {
        const [loaded] = await repository.find({ relations: { [property]: true } });
        expect(loaded).toMatchObject({ [property]: { tenantId: globex.id } });
        const pointer: Record<string, string> = {};
        for (const column of relation.joinColumns) {
          if (column.propertyName !== 'tenantId') pointer[column.propertyName] = parent?.id ?? '';
        }
        const child = { ...(await rows.make(metadata, globex)), ...pointer };
        await expect(repository.insert(child)).rejects.toThrow(/foreign key/);
        await expect(repository.update({ id: own.id }, pointer)).rejects.toThrow(/foreign key/);
        expect(await parents.delete({ id: parent?.id })).toBe(0);
      });
    },
  );

  it('reads and changes only rows of globex by raw SQL without a WHERE', async () => {
    await asGlobex(async () => {
      expect(idsOf(await transaction.query<{ id: string }>(`SELECT * FROM ${table}`))).toEqual([own.id]);
      const byTenant = `SELECT * FROM ${table} WHERE tenant_id = $1`;
      expect(await transaction.query(byTenant, [acme.id])).toEqual([]);
      for (const change of [`UPDATE ${table} SET id = id RETURNING id`, `DELETE FROM ${table} RETURNING id`]) {
        if (appendOnly) await expect(transaction.query(change)).rejects.toThrow(/permission denied/);
        else expect(await transaction.query(change)).toEqual([{ id: own.id }]);
      }
    });
  });

  it("is refused by the policy when raw SQL writes acme's tenant id", async () => {
    await asGlobex(async () => {
      const columns = metadata.columns.map((column) => column.databaseName);
      const values = columns.map((column) => (column === 'tenant_id' ? '$1' : column === 'id' ? '$2' : column));
      await expect(
        transaction.query(`INSERT INTO ${table} (${columns.join()}) SELECT ${values.join()} FROM ${table}`, [
          acme.id,
          theirs.id,
        ]),
      ).rejects.toThrow(/row-level security/);
      await expect(transaction.query(`UPDATE ${table} SET tenant_id = $1`, [acme.id])).rejects.toThrow(
        appendOnly ? /permission denied/ : /row-level security|foreign key/,
      );
    });
  });

  it("leaves acme's row alone when TypeORM's own manager saves or removes it", async () => {
    const stolen = await rows.as(acme, () => repository.findOneBy({ id: theirs.id }));
    const make = () => rows.make(metadata, globex);
    await asGlobex(async () => {
      const { manager } = source;
      const moved = manager.create(entity, { ...(await make()), id: theirs.id, tenantId: acme.id });
      await expect(manager.save(moved)).rejects.toBeInstanceOf(TenantMismatch);
      const bare = manager.create(entity, { id: theirs.id, tenantId: acme.id });
      await expect(manager.save(bare)).rejects.toThrow();
      const sameId = await manager.save(manager.create(entity, { ...(await make()), id: theirs.id }));
      expect(sameId.tenantId).toBe(globex.id);
      await expect(manager.remove(stolen)).rejects.toBeInstanceOf(TenantMismatch);
      const mine = await repository.findOneBy({ id: own.id });
      await expect(manager.save(Object.assign(mine!, { tenantId: acme.id }))).rejects.toThrow();
    });
    expect(await rows.stored(metadata, globex)).toHaveLength(2);
  });

  it('throws TenantContextMissing for every verb without a scope, and for the platform', async () => {
    const verbs = [
      () => repository.find(),
      () => repository.findBy({ id: theirs.id }),
      () => repository.findOne({ where: { id: theirs.id } }),
      () => repository.findOneBy({ id: theirs.id }),
      () => repository.count(),
      () => repository.exists({ id: theirs.id }),
      () => repository.insert({}),
      () => repository.update({ id: theirs.id }, rows.change(metadata)),
      () => repository.delete({ id: theirs.id }),
      () => repository.upsert({}, ['id']),
      () => repository.createQueryBuilder('a').getMany(),
      () => source.manager.find(entity),
      () => source.manager.query(`SELECT * FROM ${table}`),
      () => source.manager.save(source.manager.create(entity, { id: theirs.id, tenantId: acme.id })),
      () => source.createQueryBuilder(entity, 'a').getMany(),
      () => source.createQueryBuilder().delete().from(entity).execute(),
      () => source.createQueryBuilder().update(entity).set(rows.change(metadata)).execute(),
      () => transaction.query(`SELECT * FROM ${table}`),
      () => transaction.run(() => Promise.resolve()),
    ];
    for (const verb of verbs) {
      const attempt = async () => verb();
      await expect(attempt(), String(verb)).rejects.toBeInstanceOf(TenantContextMissing);
      await expect(rows.runner.runAsPlatform('a test', attempt)).rejects.toBeInstanceOf(TenantContextMissing);
    }
    expect(await rows.stored(metadata, acme)).toEqual(before);
  });
});
