import { Logger } from '@nestjs/common';
import pg from 'pg';
import { AccessGuard } from '../../src/auth/index.js';
import { CredentialAuthenticator } from '../../src/auth/access/credential.authenticator.js';
import { permissionsOfBuiltIn } from '../../src/auth/access/permissions.js';
import { VisitorAdmission } from '../../src/auth/access/visitor.admission.js';
import { AccessTokens } from '../../src/auth/tokens/access-tokens.js';
import { CacheNamespace } from '../../src/cache/cache.namespace.js';
import { ChangeFeed } from '../../src/changes/change-feed.js';
import { TenantFeed } from '../../src/changes/tenant.feed.js';
import { FileLinks } from '../../src/files/file.links.js';
import { IdempotencyService } from '../../src/idempotency/index.js';
import { JobAdder } from '../../src/jobs/job.adder.js';
import { DeclaredTenantLimits } from '../../src/limits/index.js';
import { MailPost } from '../../src/mail/mail.post.js';
import { MetricsService } from '../../src/metrics/index.js';
import {
  CredentialCodec,
  MAINTENANCE_POLICY,
  isolationSql,
  type Layer,
  type Placement,
  placeOf,
  schemaOf,
  type Tenant,
  TENANT_POLICY,
  TenantConnections,
  TenantContext,
  TenantDataSource,
  TenantLookUp,
  TenantRepository,
  TenantResolver,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { TenantSnapshot } from '../../src/tenant/archive/tenant.snapshot.js';
import { DataCopier } from '../../src/tenant/copies/data.copier.js';
import type { Model } from '../kit/models.js';
import type { Extent } from './suite.js';
import { everywhere, TENANTS, type World } from './world.js';

export type Undo = () => void | Promise<void>;

/** A fault put into the running application or its database, as somebody could make it by mistake. */
export interface Mutation {
  name: string;
  /** One of several layers that keep the same thing out, or all of them on one way in. */
  kind: 'single layer' | 'whole path';
  expected: 'detected' | 'harmless';
  /** What sees it, or what is left that makes it harmless. */
  because: string;
  /** Where it has to come out: a place that its leaks name. Anywhere when left out. */
  where?: RegExp;
  /** Models that it can be made in; shared tables when left out. */
  models?: readonly Model[];
  /** Routes on which it shows, where the usual ones do not ask for it. */
  extent?: Partial<Extent>;
  apply(world: World): Promise<Undo> | Undo;
}

type Method = (this: unknown, ...args: never[]) => unknown;

/** Puts another method in the place of one of a class; private ones, too, by name. */
function replaced<T extends object>(
  type: { prototype: T },
  name: string,
  make: (original: Method) => Method,
): () => void {
  const prototype = type.prototype as Record<string, Method>;
  const original = prototype[name];
  if (typeof original !== 'function')
    throw new Error(`There is no method ${name} any more: the mutation has to follow.`);
  const own = Object.hasOwn(prototype, name);
  prototype[name] = make(original);
  return () => {
    if (own) prototype[name] = original;
    else delete prototype[name];
  };
}

/** Of all places. */
async function everyTable({ t }: World, sql: (table: string) => string): Promise<void> {
  const statements = t.app.get(TenantDataSource).entityMetadatas.map(({ tableName }) => sql(`everywhere.${tableName}`));
  // Where there are several places, each statement goes to each of them.
  const batches = everywhere({ t }) === 'shared' ? [statements.join(';')] : statements;
  for (const batch of batches) await t.database.admin(batch);
}

async function without(world: World, ...parts: ('scope' | 'row-level security' | Layer)[]): Promise<Undo> {
  const { layersOff } = world.t.app.get(TenantDataSource);
  const undo: Undo[] = [];
  for (const part of parts) {
    if (part === 'scope') {
      undo.push(replaced(TenantRepository, 'scope', () => (where: unknown) => where ?? {}));
    } else if (part === 'row-level security') {
      await everyTable(world, (table) => `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
      undo.push(() => everyTable(world, (table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`));
    } else {
      layersOff.add(part);
      undo.push(() => void layersOff.delete(part));
    }
  }
  return async () => {
    for (const one of undo) await one();
  };
}

const roles = ({ t }: World) => ({
  tenant: t.database.prepared.roles.name('tenant'),
  maintenance: t.database.prepared.roles.name('maintenance'),
  migrator: t.database.prepared.roles.name('migrator'),
});

const GRANTS = `SELECT format('GRANT %s ON %s TO %I', a.privilege_type, c.oid::regclass, a.grantee::regrole::name) AS sql
   FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> 0
  UNION ALL
  SELECT format('GRANT %s (%I) ON %s TO %I', a.privilege_type, t.attname, c.oid::regclass, a.grantee::regrole::name)
   FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
  WHERE c.relnamespace = 'shared'::regnamespace AND a.grantee <> 0`;

async function owned(world: World, force: boolean): Promise<Undo> {
  const { tenant, migrator } = roles(world);
  // Who gives a table away loses what was granted to them before.
  const grants = await world.t.database.admin<{ sql: string }>(GRANTS);
  await everyTable(world, (table) => `ALTER TABLE ${table} OWNER TO "${tenant}"`);
  if (!force) await everyTable(world, (table) => `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
  return async () => {
    await everyTable(world, (table) => `ALTER TABLE ${table} OWNER TO "${migrator}"`);
    await world.t.database.admin(grants.map(({ sql }) => sql).join(';'));
    await everyTable(world, (table) => `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
  };
}

const adminOf =
  ({ t }: World) =>
  <Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> =>
    t.database.admin<Row>(sql);

/** A table hidden behind a view of the superuser, with the rights of whoever asks, or without. */
async function viewed(world: World, invoker: boolean): Promise<Undo> {
  const { tenant, maintenance } = roles(world);
  const admin = adminOf(world);
  await admin(`ALTER TABLE shared.roles RENAME TO roles_below;
    CREATE VIEW shared.roles WITH (security_invoker = ${String(invoker)}) AS SELECT * FROM shared.roles_below;
    GRANT SELECT, INSERT, UPDATE, DELETE ON shared.roles TO "${tenant}", "${maintenance}"`);
  return async () => {
    await admin('DROP VIEW shared.roles; ALTER TABLE shared.roles_below RENAME TO roles');
  };
}

/** Foreign keys that do not say whose the row is that they lead to. */
async function plainKeys(world: World): Promise<Undo> {
  const admin = adminOf(world);
  const keys = await admin<{ child: string; name: string; text: string; parent: string; column: string }>(
    `SELECT conrelid::regclass::text AS child, conname AS name, pg_get_constraintdef(k.oid) AS text,
        confrelid::regclass::text AS parent,
        (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) AND a.attname <> 'tenant_id') AS column
       FROM pg_constraint k WHERE contype = 'f' AND connamespace = 'shared'::regnamespace`,
  );
  const parents = [...new Set(keys.map(({ parent }) => parent))];
  for (const parent of parents) {
    await admin(`CREATE UNIQUE INDEX ${parent.split('.').pop()}_plain ON ${parent} (id)`);
  }
  for (const { child, name, parent, column } of keys) {
    await admin(`ALTER TABLE ${child} DROP CONSTRAINT "${name}",
      ADD CONSTRAINT "${name}" FOREIGN KEY ("${column}") REFERENCES ${parent} (id)`);
  }
  return async () => {
    for (const { child, name, text } of keys) {
      await admin(`ALTER TABLE ${child} DROP CONSTRAINT "${name}", ADD CONSTRAINT "${name}" ${text}`);
    }
    for (const parent of parents) await admin(`DROP INDEX shared.${parent.split('.').pop()}_plain`);
  };
}

/** The entry into the scope of a tenant, written anew. */
async function entry(world: World, change: (text: string) => string): Promise<Undo> {
  const admin = adminOf(world);
  const [row] = await admin<{ text: string }>(
    `SELECT pg_get_functiondef('shared.enter(text, text)'::regprocedure) AS text`,
  );
  const text = row?.text ?? '';
  const other = change(text);
  if (other === text) throw new Error('shared.enter has another text by now: the mutation has to follow.');
  await admin(other);
  return async () => void (await admin(text));
}

/** What connections of tenants were left with is gone, and the pool knows it. */
async function hangUp(world: World): Promise<void> {
  const sql =
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()';
  await world.t.database.admin(sql, [roles(world).tenant]);
  const { connections } = world.t.app.get(TenantDataSource);
  for (const end = Date.now() + 5000; connections.counts().idle > 0 && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The next in the list of tenants. */
const nextTo = (slug: string): string => TENANTS[(TENANTS.indexOf(slug) + 1) % TENANTS.length] ?? slug;

async function neighbours({ t }: World): Promise<Map<string, Tenant>> {
  const pairs = TENANTS.map(async (slug) => [(await t.tenant(slug)).id, await t.tenant(nextTo(slug))] as const);
  return new Map(await Promise.all(pairs));
}

/** What owners do at one route, and what comes of it. */
const owners = (title: string): Partial<Extent> => ({
  only: (operation) => operation.title === title,
  actors: ({ role, kind }) => role === 'owner' && kind === 'user',
  writes: true,
  share: 1,
});

/** Copies of tenants are made in every run that writes. */
const COPYING: Partial<Extent> = { only: () => false, writes: true };

/** The entry into a schema, into that of the next tenant in the list. */
async function pathOfAnother(world: World): Promise<Undo> {
  const schemas = await Promise.all(
    TENANTS.map(async (slug) => [schemaOf((await world.t.tenant(slug)).placement), nextTo(slug)] as const),
  );
  const cases = await Promise.all(
    schemas.map(async ([own, next]) => `WHEN '${own}' THEN '${schemaOf((await world.t.tenant(next)).placement)}'`),
  );
  return entry(world, (text) =>
    text.replace('quote_ident(place)', `quote_ident(CASE place ${cases.join(' ')} ELSE place END)`),
  );
}

/** Connections of each tenant lead to the database of the next one in the list. */
async function databaseOfAnother(world: World): Promise<Undo> {
  const others = new Map<string, Placement>();
  for (const slug of TENANTS) {
    const [own, next] = await Promise.all([world.t.tenant(slug), world.t.tenant(nextTo(slug))]);
    others.set(placeOf(own.placement), next.placement);
  }
  return replaced(
    TenantConnections,
    'acquire',
    (original) =>
      function (this: unknown, placement: Placement, ...rest: never[]) {
        return original.call(this, ...([others.get(placeOf(placement)) ?? placement, ...rest] as never[]));
      },
  );
}

/** Both, one after the other; taken out the other way around. */
async function together(first: Promise<Undo>, second: () => Promise<Undo>): Promise<Undo> {
  const undo = [await first, await second()];
  return async () => {
    for (const one of undo.reverse()) await one();
  };
}

export const MUTATIONS: Mutation[] = [
  {
    name: 'row-level security disabled on every table',
    kind: 'single layer',
    expected: 'detected',
    because: 'raw SQL has nothing else',
    apply: (world) => without(world, 'row-level security'),
  },
  {
    name: 'every policy dropped',
    kind: 'single layer',
    expected: 'detected',
    because: 'nobody is served any more, the tenant itself neither',
    apply: async (world) => {
      await everyTable(world, (table) => `DROP POLICY ${TENANT_POLICY} ON ${table}`);
      const names = roles(world);
      return () =>
        everyTable(world, (table) =>
          isolationSql(table, names)
            .filter((statement) => statement.startsWith(`CREATE POLICY ${TENANT_POLICY} `))
            .join(';'),
        );
    },
  },
  {
    name: 'a policy for everybody beside the right one',
    kind: 'single layer',
    expected: 'detected',
    because: 'raw SQL has nothing else',
    apply: async (world) => {
      await everyTable(world, (table) => `CREATE POLICY too_wide ON ${table} USING (true) WITH CHECK (true)`);
      return () => everyTable(world, (table) => `DROP POLICY too_wide ON ${table}`);
    },
  },
  {
    name: 'FORCE removed',
    kind: 'single layer',
    expected: 'harmless',
    because: 'the tenant role owns no table',
    apply: async (world) => {
      await everyTable(world, (table) => `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
      return () => everyTable(world, (table) => `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    },
  },
  {
    name: 'connected as the owner of the tables',
    kind: 'single layer',
    expected: 'harmless',
    because: 'FORCE binds the owner',
    apply: (world) => owned(world, true),
  },
  {
    name: 'connected as the owner, and FORCE removed',
    kind: 'whole path',
    expected: 'detected',
    because: 'raw SQL has nothing else',
    apply: (world) => owned(world, false),
  },
  {
    name: 'the maintenance policy given to everybody',
    kind: 'single layer',
    expected: 'detected',
    because: 'raw SQL has nothing else',
    apply: async (world) => {
      const { maintenance } = roles(world);
      await everyTable(world, (table) => `ALTER POLICY ${MAINTENANCE_POLICY} ON ${table} TO PUBLIC`);
      return () => everyTable(world, (table) => `ALTER POLICY ${MAINTENANCE_POLICY} ON ${table} TO "${maintenance}"`);
    },
  },
  {
    name: 'query builder without its filter',
    kind: 'single layer',
    expected: 'harmless',
    because: 'row-level security and the subscriber are left',
    apply: (world) => without(world, 'filter'),
  },
  {
    name: 'subscriber skipped',
    kind: 'single layer',
    expected: 'harmless',
    because: 'filter and row-level security are left',
    apply: (world) => without(world, 'subscriber'),
  },
  {
    name: 'repository adds no tenant to its conditions',
    kind: 'single layer',
    expected: 'harmless',
    because: 'filter and row-level security are left',
    apply: (world) => without(world, 'scope'),
  },
  {
    name: 'repository, filter and subscriber gone',
    kind: 'single layer',
    expected: 'harmless',
    because: 'row-level security is left',
    apply: (world) => without(world, 'scope', 'filter', 'subscriber'),
  },
  {
    name: 'repository, filter, subscriber and row-level security gone',
    kind: 'whole path',
    expected: 'detected',
    because: 'lists show the rows of all',
    apply: (world) => without(world, 'scope', 'filter', 'subscriber', 'row-level security'),
  },
  {
    name: 'foreign keys without the tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'a row can be made to belong to a row of another tenant',
    apply: plainKeys,
  },
  {
    name: 'a table behind a view with security_invoker',
    kind: 'single layer',
    expected: 'harmless',
    because: 'policies are applied as to whoever asks',
    apply: (world) => viewed(world, true),
  },
  {
    name: 'a table behind a view without security_invoker',
    kind: 'single layer',
    expected: 'detected',
    because: 'raw SQL has nothing else',
    apply: (world) => viewed(world, false),
  },
  {
    name: 'SET in place of SET LOCAL for the tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'the connection is looked at after its request',
    apply: async (world) => {
      const undo = await entry(world, (text) => text.replace(/('app\.tenant_id', tenant, )true/, '$1false'));
      return async () => {
        await undo();
        await hangUp(world);
      };
    },
  },
  {
    name: 'entry without the tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'nobody is served any more, the tenant itself neither',
    apply: (world) => entry(world, (text) => text.replace(/('app\.tenant_id', )tenant,/, `$1'',`)),
  },
  {
    name: 'search_path of another tenant',
    kind: 'single layer',
    expected: 'detected',
    because:
      'row-level security is left: nobody is served any more, and what visitors write lies in a place of another',
    where: /^a place$/,
    models: ['schema'],
    apply: pathOfAnother,
  },
  {
    name: 'search_path of another tenant, and row-level security disabled',
    kind: 'whole path',
    expected: 'detected',
    because: 'the tables that are found are those of another',
    where: /^SQL without a filter$/,
    models: ['schema'],
    apply: (world) => together(pathOfAnother(world), () => without(world, 'row-level security')),
  },
  {
    name: 'search_path not reset',
    kind: 'single layer',
    expected: 'detected',
    because: 'the connection is looked at after its request',
    where: /^a connection after its request$/,
    models: ['schema'],
    apply: async (world) => {
      const undo = await entry(world, (text) => text.replace('quote_ident(place), true', 'quote_ident(place), false'));
      return async () => {
        await undo();
        await hangUp(world);
      };
    },
  },
  {
    name: 'database of another tenant',
    kind: 'single layer',
    expected: 'detected',
    because:
      'row-level security is left: nobody is served any more, and what visitors write lies in a place of another',
    where: /^a place$/,
    models: ['database'],
    apply: databaseOfAnother,
  },
  {
    name: 'database of another tenant, and row-level security disabled',
    kind: 'whole path',
    expected: 'detected',
    because: 'the tables that are found are those of another',
    where: /^SQL without a filter$/,
    models: ['database'],
    apply: (world) => together(databaseOfAnother(world), () => without(world, 'row-level security')),
  },
  {
    name: 'guard removed',
    kind: 'whole path',
    expected: 'detected',
    because: 'whoever names a tenant reads it',
    apply: () => replaced(AccessGuard, 'canActivate', () => () => true),
  },
  {
    name: "guard takes a credential of another tenant's for its own",
    kind: 'single layer',
    expected: 'detected',
    because: 'the answer tells an active tenant from none, though its users know nobody of that id',
    apply: () => replaced(CredentialAuthenticator, 'refuseForeign', () => () => undefined),
  },
  {
    name: 'header trusted over the credential',
    kind: 'whole path',
    expected: 'detected',
    because: 'an owner of one tenant reads another',
    apply: (world) => trusting(world, 'tenant'),
  },
  {
    name: 'platform credential taken at a route of tenants',
    kind: 'whole path',
    expected: 'detected',
    because: 'a platform admin reads what is a tenant’s own',
    extent: { actors: ({ kind }) => kind === 'platform' || kind === 'nobody', share: 0.5 },
    apply: (world) => trusting(world, 'platform'),
  },
  {
    name: 'the first of two names of tenants is taken',
    kind: 'single layer',
    expected: 'detected',
    because: 'where two names disagree, what is open to everybody is served for one of them',
    apply: (world) => {
      const held: unknown = world.t.app.get(TenantResolver);
      const resolver = held as { naming: { read(signals: object): string | undefined }[] };
      const { naming } = resolver;
      const first = {
        ...naming[0],
        reads: 'slug',
        read: (signals: object) => {
          for (const strategy of naming.slice(1)) {
            const named = strategy.read(signals);
            if (named !== undefined) return named;
          }
          return undefined;
        },
      };
      resolver.naming = [first];
      return () => void (resolver.naming = naming);
    },
  },
  {
    name: 'look-up answers with another tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'public routes show the looks of another',
    apply: () =>
      replaced(
        TenantLookUp,
        'bySlug',
        (original) =>
          function (this: unknown, slug: string) {
            return original.call(this, ...([slug === 'acme' ? 'globex' : slug] as never[]));
          },
      ),
  },
  {
    name: 'scope kept in a variable of the process',
    kind: 'whole path',
    expected: 'detected',
    because: 'requests that are served at the same time meet in it',
    extent: { share: 0.3 },
    apply: () => {
      let last: unknown;
      return replaced(
        TenantContext,
        'current',
        (original) =>
          function (this: unknown) {
            const tenant = original.call(this);
            const before = last;
            if (tenant !== undefined) last = tenant;
            return tenant === undefined ? tenant : (before ?? tenant);
          },
      );
    },
  },
  {
    name: "a visitor's session of another tenant taken for its own",
    kind: 'single layer',
    expected: 'harmless',
    because: 'the look-up of the session is within the tenant',
    apply: () => replaced(VisitorAdmission, 'isOurs', () => () => true),
  },
  {
    name: 'cursor not bound to its tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'a cursor of another tenant is taken where one of nobody is refused',
    extent: {
      only: ({ method, query }) => method === 'GET' && query.some(({ name }) => name === 'cursor'),
      share: 0.4,
    },
    apply: async (world) => {
      const undo = replaced(
        CredentialCodec,
        'cursorMac',
        (original) =>
          function (this: unknown, _tenant: string, _owner: string, position: string) {
            return original.call(this, ...(['', '', position] as never[]));
          },
      );
      await world.ids.learnAgain();
      return async () => {
        undo();
        await world.ids.learnAgain();
      };
    },
  },
  {
    name: 'cache key without the tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'the logo of another tenant is shown; in PetStore its pets',
    extent: { only: ({ title }) => /^GET (\/$|\/api\/(branding|adoptions))/.test(title), share: 1 },
    apply: async (world) => {
      const { id } = await world.t.tenant('acme');
      return replaced(CacheNamespace, 'fullKey', () => (key: string) => `t:${id}:mutated:${key}`);
    },
  },
  {
    name: 'signed link not bound to its tenant',
    kind: 'single layer',
    expected: 'harmless',
    because: 'the file is looked for within the tenant that was named',
    apply: async (world) => {
      const undo = replaced(
        FileLinks,
        'sign',
        (original) =>
          function (this: unknown, _tenant: string, id: string, expires: string) {
            return original.call(this, ...(['', id, expires] as never[]));
          },
      );
      // Those that were signed before are none now.
      const before = new Map<string, string>();
      for (const [slug, own] of world.credentials) {
        before.set(slug, own.get('file-link') ?? '');
        const links = world.t.app.get(FileLinks, { strict: false });
        const { url } = links.make(await world.t.tenant(slug), own.get('file-link-id') ?? '', 3600);
        own.set('file-link', new URL(url).search.slice(1));
      }
      return () => {
        undo();
        for (const [slug, own] of world.credentials) own.set('file-link', before.get(slug) ?? '');
      };
    },
  },
  {
    name: 'Idempotency-Key shared by all tenants',
    kind: 'whole path',
    expected: 'detected',
    because: 'a session of another tenant is the answer',
    apply: () => {
      const answers = new Map<string, Promise<unknown>>();
      return replaced(
        IdempotencyService,
        'execute',
        (original) =>
          function (this: unknown, request: { key?: string }, handler: unknown) {
            const make = () => original.call(this, ...([request, handler] as never[])) as Promise<unknown>;
            if (request.key === undefined) return make();
            const known = answers.get(request.key) ?? make();
            answers.set(request.key, known);
            return known;
          },
      );
    },
  },
  {
    name: 'key of a limit shared by all tenants',
    kind: 'whole path',
    expected: 'detected',
    because: 'what one tenant has left goes down by the requests of another',
    apply: () =>
      replaced(
        DeclaredTenantLimits,
        'policiesFor',
        (original) =>
          function (this: unknown, ...args: never[]) {
            const policies = original.apply(this, args) as { name: string }[];
            return policies.map((policy) => ({ ...policy, key: `limit:${policy.name}` }));
          },
      ),
  },
  {
    name: 'mail in the looks of another tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'mails are read as they arrive',
    extent: owners('POST /api/invitations'),
    apply: async (world) => {
      const others = await neighbours(world);
      return replaced(
        MailPost,
        'deliver',
        (original) =>
          function (this: unknown, id: string, letter: unknown, tenant: Tenant | undefined, signal: unknown) {
            const other = tenant && {
              ...tenant,
              name: others.get(tenant.id)?.name,
              settings: others.get(tenant.id)?.settings,
            };
            return original.call(this, ...([id, letter, other, signal] as never[]));
          },
      );
    },
  },
  {
    name: 'job without its tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'what is sealed for the engine names nobody; the job is given up, not done',
    apply: () =>
      replaced(
        JobAdder,
        'add',
        (original) =>
          function (this: unknown, job: { tenantId?: string }) {
            const { tenantId: _left, ...rest } = job;
            return original.call(this, ...([rest] as never[]));
          },
      ),
  },
  {
    name: 'job in the name of another tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'it is done for the other',
    apply: async (world) => {
      const others = await neighbours(world);
      return replaced(
        JobAdder,
        'add',
        (original) =>
          function (this: unknown, job: { tenantId?: string }) {
            const other = others.get(job.tenantId ?? '')?.id;
            return original.call(this, ...([{ ...job, ...(other && { tenantId: other }) }] as never[]));
          },
      );
    },
  },
  {
    name: 'what a tenant wrote told by NOTIFY',
    kind: 'whole path',
    expected: 'detected',
    because: 'notifications are heard',
    where: /^a notification$/,
    extent: owners('PATCH /api/users/:id'),
    apply: async (world) => {
      const names = await world.t.database.admin<{ id: string; name: string }>(
        'SELECT DISTINCT ON (tenant_id) tenant_id AS id, name FROM everywhere.users ORDER BY tenant_id, id',
      );
      return announcing(({ id }, keys) => [...keys, ...names.filter((row) => row.id === id).map(({ name }) => name)]);
    },
  },
  {
    name: 'a change told in the name of another tenant',
    kind: 'single layer',
    expected: 'detected',
    because: 'notifications are heard, and a key is of one tenant alone',
    where: /^a notification$/,
    extent: owners('PATCH /api/users/:id'),
    apply: async (world) => {
      const others = await neighbours(world);
      return announcing(({ id }, keys) => keys.map((key) => key.replace(id, others.get(id)?.id ?? id)));
    },
  },
  {
    name: 'a tenant tells of changes of another',
    kind: 'single layer',
    expected: 'harmless',
    because: 'what is told is looked up again, and not believed',
    apply: async (world) => {
      const { id } = await world.t.tenant('globex');
      const feed: unknown = world.t.app.get(ChangeFeed);
      const { listeners } = feed as { listeners: Map<string, unknown> };
      const payloads = ['', `${id}:*`, '*', id, 'globex', `%,'"`, `${id}:`.repeat(150)];
      const tell = async (): Promise<void> => {
        await world.t.app.get(TenantRunner).run(await world.t.tenant('acme'), async () => {
          for (const channel of listeners.keys()) {
            for (const payload of payloads) {
              await world.t.app.get(TenantTransaction).query('SELECT pg_notify($1, $2)', [channel, payload]);
            }
          }
        });
      };
      let ended = false;
      const telling = (async () => {
        for (; !ended; await new Promise((resolve) => setTimeout(resolve, 50))) await tell();
      })();
      return async () => {
        ended = true;
        await telling;
      };
    },
  },
  {
    name: 'copy of another tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'the rows of copies are read',
    where: /^a row of /,
    extent: COPYING,
    apply: async (world) => {
      const others = await neighbours(world);
      return replaced(DataCopier, 'source', (original) => {
        return function (this: unknown, id: string) {
          return original.call(this, ...([others.get(id)?.id ?? id] as never[]));
        };
      });
    },
  },
  {
    name: 'archive of a tenant, its reader bound by no policy',
    kind: 'whole path',
    expected: 'detected',
    because: 'archives are unpacked and read',
    where: /^POST \/api\/tenant\/exports/,
    extent: owners('POST /api/tenant/exports'),
    apply: (world) => {
      const pool = new pg.Pool({ connectionString: world.t.database.adminUrl });
      const undo = snapshotting((source) => [{ ...source, connections: { acquire: () => pool.connect() } }]);
      return async () => {
        undo();
        await pool.end();
      };
    },
  },
  {
    name: 'archive of another tenant',
    kind: 'whole path',
    expected: 'detected',
    because: 'archives are unpacked and read',
    where: /^POST \/api\/tenant\/exports/,
    extent: owners('POST /api/tenant/exports'),
    apply: async (world) => {
      const others = await neighbours(world);
      return snapshotting((source, tenant) => [source, others.get(tenant.id) ?? tenant]);
    },
  },
  {
    name: 'ids of rows as labels of a metric',
    kind: 'whole path',
    expected: 'detected',
    because: 'metrics are searched',
    apply: (world) => {
      const metrics = world.t.app.get(MetricsService);
      const undo = replaced(
        TenantRepository,
        'find',
        (original) =>
          async function (this: unknown, ...args: never[]) {
            const rows = (await original.apply(this, args)) as { id?: string }[];
            if (rows[0]?.id) metrics.observe('GET', `/rows/${rows[0].id}`, 200, 0);
            return rows;
          },
      );
      return () => {
        undo();
        metrics.registry.resetMetrics();
      };
    },
  },
  {
    name: 'what was loaded last stands in the log of the next request',
    kind: 'whole path',
    expected: 'detected',
    because: 'log lines are searched',
    apply: () => {
      const logger = new Logger('Mutation');
      let last: unknown;
      return replaced(
        TenantRepository,
        'find',
        (original) =>
          async function (this: unknown, ...args: never[]) {
            logger.log({ last }, 'Loading');
            const rows = await original.apply(this, args);
            last = rows;
            return rows;
          },
      );
    },
  },
];

/** A guard that believes the name that the request gives, whoever the credential is of. */
function trusting(world: World, audience: 'tenant' | 'platform'): Undo {
  const tokens = world.t.app.get(AccessTokens, { strict: false });
  const context = world.t.app.get(TenantContext);
  return replaced(
    CredentialAuthenticator,
    'authenticate',
    (original) =>
      async function (this: unknown, request: unknown, credential: string) {
        const claims = await tokens.verify(audience, credential);
        if (!claims) return original.call(this, ...([request, credential] as never[]));
        const permissions = new Set(permissionsOfBuiltIn('owner'));
        const { id: tenantId } = context.currentOrThrow();
        return { kind: 'user', id: claims.sub, tenantId, name: '', role: 'owner', permissions, deviceId: claims.did };
      },
  );
}

/** What is told of changes of a tenant, after its commit. */
function announcing(change: (tenant: Tenant, keys: string[]) => string[]): () => void {
  return replaced(
    TenantFeed,
    'announce',
    (original) =>
      function (this: unknown, channel: string, keys: string[]) {
        const { context } = this as { context: TenantContext };
        return original.call(this, ...([channel, change(context.currentOrThrow('A change'), keys)] as never[]));
      },
  );
}

/** What archives are read from. */
function snapshotting(change: (source: object, tenant: Tenant) => [source: object, tenant?: Tenant]): () => void {
  return replaced(
    { prototype: TenantSnapshot },
    'read',
    (original) =>
      function (this: unknown, source: object, tenant: Tenant, ...rest: never[]) {
        const [from, of = tenant] = change(source, tenant);
        return original.call(this, ...([from, of, ...rest] as never[]));
      },
  );
}
