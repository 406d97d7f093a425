import type { Access } from '../../src/auth/index.js';
import { liftAddressLimits } from '../kit/people.js';
import { bearer, type SignedIn } from '../kit/sign-in.js';
import type { TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';
import { userToken } from '../kit/actors.js';
import { type Actor, actorsOf } from './actors.js';
import { Canaries } from './canaries.js';
import { Identifiers } from './identifiers.js';
import type { Mutation } from './mutations.js';
import type { Reply } from './http.js';
import { type OpenApi, type Operation, operationsOf } from './operations.js';
import { Random } from './random.js';

/** An application whose isolation is to be proved. */
export interface Subject {
  name: string;
  /** With the demo tenants acme, globex and initech, and one user of each built-in role in each of them. */
  start(env: NodeJS.ProcessEnv): Promise<TestApp>;
  /** Which operations are its own, that are to be proved; all of them are known. */
  proves(operation: Operation): boolean;
  /** Those that take an `Idempotency-Key` and are tried with one key by several tenants, as `METHOD /path`. */
  keyed: string[];
  /** Which mutations show in it, and of how many times the usual share of probes they take, where there are few. */
  mutations: { shown(mutation: Mutation): boolean; times: number };
  /** What must be so for whom at each route, by `METHOD /path/:param`. */
  accessMap(t: TestApp): Record<string, Access> | Promise<Record<string, Access>>;
  /** Puts a canary wherever the product lets a tenant put something. */
  fill(world: World, tenant: string): Promise<void>;
  /** What is in an answer that is no text as it comes: an archive, unpacked. Empty for any other. */
  contents(reply: Reply): Promise<string>;
  /** A text without what one tenant is told of another on purpose. */
  toldByDesign(text: string): string;
  /** Whether an answer shows what was asked for before, such as an audit log that keeps it. */
  keepsQuestions(operation: Operation): boolean;
  /** Columns with texts that are as unique as a canary by themselves, as `table.column`. */
  hashes: { column: string; open: boolean }[];
  /** Columns of tenant-owned tables with texts of the product's own, as `table.column`, each with the reason. */
  noCanaryIn: Record<string, string>;
}

/** The tenants that act and are acted against, each against each other. */
export const TENANTS = ['acme', 'globex', 'initech'];
/** There once, and not served any more. */
export const ARCHIVED = 'umbrella';

/** A running application, its tenants full of canaries. */
export interface World {
  subject: Subject;
  t: TestApp;
  smtp: TestSmtp;
  random: Random;
  canaries: Canaries;
  operations: Operation[];
  actors: Actor[];
  ids: Identifiers;
  /** What lasting sinks held already when they were searched before. */
  told: Set<string>;
  /** Ids that callers have put into their requests, by their tenant. */
  given: Map<string, Set<string>>;
  /** Credentials of tenants beyond those of actors, by tenant and what they are for. */
  credentials: Map<string, Map<string, string>>;
  /** The owner of the tenant. */
  owner(tenant: string): Promise<SignedIn>;
  close(): Promise<void>;
}

export async function openWorld(subject: Subject, seed: number): Promise<World> {
  const smtp = await startSmtp();
  // From one address each: a limit by address must not stand in for the guard.
  const t = await subject.start({ TRUSTED_PROXIES: 'loopback', SMTP_URL: smtp.url });
  const random = new Random(seed);
  const document = (await t.request('GET', '/openapi.json')).json as OpenApi;
  const owners = new Map<string, SignedIn>();
  const begun: Omit<World, 'ids'> = {
    subject,
    t,
    smtp,
    random,
    canaries: new Canaries(random),
    operations: operationsOf(document, await subject.accessMap(t)),
    actors: [],
    told: new Set(),
    given: new Map(),
    credentials: new Map(TENANTS.map((tenant) => [tenant, new Map()])),
    owner: async (tenant) => {
      const known = owners.get(tenant) ?? bearer(t, tenant, await userToken(t, tenant, 'owner'));
      owners.set(tenant, known);
      return known;
    },
    close: async () => {
      await t.close();
      await smtp.close();
    },
  };
  const world: World = Object.assign(begun, { ids: new Identifiers(begun) });
  try {
    await liftAddressLimits(t);
    // One that nobody reaches, so that there is something to count.
    await t.database.admin(QUOTA);
    await archive(t);
    for (const tenant of TENANTS) await subject.fill(world, tenant);
    await learnIds(world);
    world.actors = actorsOf(world);
    // Now, while all is well: a mutation must not decide with what it is tried.
    await world.ids.learn();
    for (const actor of world.actors) await actor.authorization();
  } catch (error) {
    await world.close();
    throw error;
  }
  return world;
}

const QUOTA = `UPDATE platform.plans SET settings = settings || '{"limits.requests_per_hour": 1000000}' WHERE name = 'unlimited'`;

async function archive(t: TestApp): Promise<void> {
  await t.import([{ slug: ARCHIVED }]);
  await t.database.admin(`UPDATE platform.tenants SET status = 'archived' WHERE slug = $1`, [ARCHIVED]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
}

const TABLES = `SELECT format('%I.%I', n.nspname, c.relname) AS name,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype) AS keyed
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
  WHERE c.relkind IN ('r', 'p') AND n.nspname IN ($1, 'platform') AND c.relname NOT IN ('migrations', 'changes', 'history')
  ORDER BY 1`;

/** Where tenant-owned rows of all places are seen from. */
export function everywhere({ t }: Pick<World, 't'>): string {
  return t.database.placed('everywhere.x').slice(0, -2);
}

export async function tablesOf(world: World): Promise<{ name: string; keyed: boolean }[]> {
  return world.t.database.admin<{ name: string; keyed: boolean }>(TABLES, [everywhere(world)]);
}

/** Ids of rows are canaries as well; those of what the run itself has made are learnt when this is called again. */
export async function learnIds(world: World): Promise<void> {
  const { t, canaries } = world;
  const slugs = new Map<string, string>();
  for (const tenant of TENANTS) {
    const { id } = await t.tenant(tenant);
    slugs.set(id, tenant);
    canaries.id(tenant, 'tenants.id', id, true);
  }
  const keyed = (await tablesOf(world)).filter((table) => table.keyed);
  const rows = await t.database.admin<{ table: string; id: string; tenant_id: string | null }>(
    keyed.map(({ name }) => `SELECT '${name}' AS table, id, tenant_id FROM ${name}`).join(' UNION ALL '),
  );
  for (const { table, id, tenant_id: owner } of rows) {
    const tenant = slugs.get(owner ?? '');
    if (tenant !== undefined) canaries.id(tenant, `${table}.id`, id);
  }
  for (const { column, open } of world.subject.hashes) {
    const [table, name] = column.split('.');
    const rows = await t.database.admin<{ value: string; tenant_id: string }>(
      `SELECT ${name} AS value, tenant_id FROM ${everywhere(world)}.${table}`,
    );
    for (const { value, tenant_id: owner } of rows) canaries.id(slugs.get(owner) ?? '', column, value, open);
  }
}

const TEXTS = `SELECT c.relname || '.' || a.attname AS column, format('%I.%I', n.nspname, c.relname) AS table, a.attname AS name
   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'text[]'::regtype) AND c.relname NOT IN ('migrations', 'changes', 'history')
  ORDER BY 1`;

/** Columns of tenant-owned tables that could hold a text of a tenant's and hold none. */
export async function columnsWithoutCanary(world: World): Promise<string[]> {
  const columns = await world.t.database.admin<{ column: string; table: string; name: string }>(TEXTS, [
    everywhere(world),
  ]);
  const empty: string[] = [];
  for (const { column, table, name } of columns) {
    const filled = await world.t.database.admin(`SELECT 1 FROM ${table} WHERE "${name}"::text LIKE '%cnry-%' LIMIT 1`);
    if (filled.length === 0) empty.push(column);
  }
  return empty.sort();
}
