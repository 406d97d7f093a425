import type { PoolClient } from 'pg';
import {
  type Tenant,
  TenantDataSource,
  TenantOwned,
  TenantRepository,
  tenantRepositoryToken,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { TenantJobs } from '../../src/jobs/index.js';
import { TestJobs } from '../kit/test-jobs.js';
import type { Actor } from './actors.js';
import type { Reply, Sent } from './http.js';
import type { Leak, Prober } from './prober.js';
import { bodyFor, encoded } from './probes.js';
import { TENANTS, type World } from './world.js';

type Scenario = (world: World, prober: Prober) => Promise<Leak[]>;

/** What takes more than one request, and the ways in that are not HTTP. */
const SCENARIOS: Record<string, Scenario> = {
  'one Idempotency-Key, two tenants': idempotency,
  'a link that another tenant signed': links,
  "a limit that another tenant's requests use up": limits,
  'a connection after its request': connections,
  'SQL without a filter': rawSql,
  'a repository without a condition': repositories,
  'a reference to a row of another tenant': references,
  'a job': jobs,
};

/** What takes more than one request and changes the world. */
const WRITING: Record<string, Scenario> = {
  'a copy of a tenant': copies,
};

export async function scenarios(world: World, prober: Prober, { writes }: { writes: boolean }): Promise<void> {
  for (const [name, scenario] of Object.entries({ ...SCENARIOS, ...(writes && WRITING) })) {
    const leaks = await scenario(world, prober).catch((error: unknown) => [
      { from: name, what: `could not be tried: ${error instanceof Error ? error.message : String(error)}` },
    ]);
    prober.leaks.push(...leaks.map((leak) => ({ ...leak, from: name })));
  }
}

const owners = (world: World): Actor[] =>
  TENANTS.map((tenant) => world.actors.find((actor) => actor.tenant === tenant && actor.role === 'owner')!);

/** The same key and body from each tenant in turn: none is answered with what was made for another. */
async function idempotency(world: World, prober: Prober): Promise<Leak[]> {
  const leaks: Leak[] = [];
  const keyed = world.operations.filter(({ title }) => world.subject.keyed.includes(title));
  for (const operation of keyed) {
    const key = world.random.uuid();
    const made = new Map<string, string[]>();
    for (const actor of owners(world)) {
      const authorization = (await actor.authorization()) ?? '';
      const request: Sent = {
        method: operation.method,
        path: operation.path,
        headers: [
          ['X-Tenant-ID', actor.tenant!],
          ['Authorization', authorization],
          ['Content-Type', 'application/json'],
          ['Idempotency-Key', key],
        ],
        body: encoded(operation.access.kind === 'tenant' ? {} : bodyFor(world, operation, actor.tenant!)),
      };
      const reply = await prober.try({
        operation,
        actor,
        attempt: 'shared key',
        request,
        own: actor.tenant,
        named: [],
      });
      const tokens = tokensIn(reply);
      for (const [tenant, others] of made) {
        const again = tokens.filter((token) => others.includes(token));
        if (again.length > 0)
          leaks.push({ from: '', what: `${actor.name} was given ${again.join()}, made for ${tenant}` });
      }
      made.set(actor.tenant!, tokens);
      if (reply.status >= 400)
        leaks.push({ from: '', what: `${operation.title} refuses ${actor.name}: ${reply.text}` });
    }
  }
  return leaks;
}

const tokensIn = ({ text }: Reply): string[] => [...new Set(text.match(/[\w-]{22,}/g))];

/** What one tenant signed opens nothing under the name of another, neither its own file nor theirs. */
async function links(world: World, prober: Prober): Promise<Leak[]> {
  const signed = world.operations.filter(({ query }) => query.some(({ name }) => name === 'signature'));
  const nobody = world.actors.find(({ kind }) => kind === 'nobody')!;
  const leaks: Leak[] = [];
  for (const operation of signed) {
    for (const [tenant, own] of world.credentials) {
      const query = own.get('file-link');
      if (query === undefined) continue;
      for (const at of TENANTS) {
        for (const row of await filesOf(world)) {
          const request: Sent = {
            method: operation.method,
            path: `${operation.path.replace(/\{\w+\}/, row.id)}?${query}`,
            headers: [['X-Tenant-ID', at]],
          };
          const fits = at === tenant && row.id === own.get('file-link-id');
          const probe = {
            operation,
            actor: nobody,
            attempt: 'signed link',
            request,
            named: [at],
            ...(fits && { own: at }),
          };
          const reply = await prober.try(probe);
          if (reply.status < 400 === fits) continue;
          leaks.push({ from: '', what: `a link of ${tenant} at ${at} for a file of ${row.slug}: ${reply.status}` });
        }
      }
    }
  }
  return leaks;
}

function filesOf(world: World): Promise<{ id: string; slug: string }[]> {
  return world.t.database.admin(
    `SELECT f.id, t.slug FROM everywhere.tenant_files f JOIN platform.tenants t ON t.id = f.tenant_id WHERE f.state = 'stored'`,
  );
}

/** Each tenant's requests are counted for it alone: the numbers go down by its own. */
async function limits(world: World, prober: Prober): Promise<Leak[]> {
  const operation = world.operations.find(
    ({ method, access, path }) =>
      method === 'GET' && access.kind === 'permission' && !path.includes('{') && access.permission === 'account:manage',
  );
  if (!operation) return [];
  const remaining = new Map<string, string>();
  const leaks: Leak[] = [];
  for (const round of [1, 2]) {
    for (const actor of owners(world)) {
      const headers: [string, string][] = [
        ['X-Tenant-ID', actor.tenant!],
        ['Authorization', (await actor.authorization()) ?? ''],
      ];
      const request = { method: 'GET', path: operation.path, headers };
      for (let n = 0; n < 3; n += 1) {
        const reply = await prober.try({ operation, actor, attempt: 'counted', request, own: actor.tenant, named: [] });
        const counts = reply.headers.filter(([name]) => name.toLowerCase() === 'ratelimit').map(([, value]) => value);
        const left = /r=(\d+)/.exec(counts.join())?.[1];
        const before = remaining.get(actor.name);
        // Windows slide: there may be more left than before, never fewer than this one request explains.
        if (before !== undefined && left !== undefined && Number(left) < Number(before) - 1) {
          leaks.push({
            from: '',
            what: `${actor.name} had ${before} requests left and has ${left} after one (round ${round})`,
          });
        }
        if (left !== undefined) remaining.set(actor.name, left);
      }
    }
  }
  return leaks;
}

/** Nothing of a tenant stays on a connection that goes back to its pool, and without a tenant it shows nothing. */
async function connections(world: World): Promise<Leak[]> {
  const { connections: pools } = world.t.app.get(TenantDataSource);
  const held: PoolClient[] = [];
  const leaks: Leak[] = [];
  try {
    for (const tenant of TENANTS) {
      const { placement } = await world.t.tenant(tenant);
      const client = await pools.acquire(placement);
      held.push(client);
      const { rows } = await client.query<{ tenant: string | null; path: string; own: string }>(
        `SELECT nullif(current_setting('app.tenant_id', true), '') AS tenant, setting AS path, reset_val AS own
           FROM pg_settings WHERE name = 'search_path'`,
      );
      const [state] = rows;
      if (state?.tenant) leaks.push({ from: '', what: `it is still in the scope of ${state.tenant}` });
      if (state?.path !== state?.own) {
        leaks.push({ from: '', what: `its search_path is still ${state?.path}, where it began with ${state?.own}` });
      }
      const schema = placement.kind === 'schema' ? placement.schema : 'shared';
      const seen = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM "${schema}".users`);
      if (seen.rows[0]?.n) leaks.push({ from: '', what: `outside of every scope it shows ${seen.rows[0].n} users` });
    }
  } finally {
    for (const client of held) client.release();
  }
  const outside = await world.t.app
    .get(TenantTransaction)
    .query('SELECT id FROM users')
    .then(
      (rows) => `it answered with ${rows.length} rows`,
      (error: Error) => (error.name === 'TenantContextMissing' ? undefined : String(error)),
    );
  if (outside !== undefined) leaks.push({ from: '', what: `outside of every scope: ${outside}` });
  return leaks;
}

const inScope = async <T>(world: World, slug: string, work: (tenant: Tenant) => Promise<T>): Promise<T> => {
  const tenant = await world.t.tenant(slug);
  return world.t.app.get(TenantRunner).run(tenant, () => work(tenant));
};

/** Every table, whole, found as the product finds it: what comes is of the tenant in whose scope it was asked. */
async function rawSql(world: World): Promise<Leak[]> {
  const transaction = world.t.app.get(TenantTransaction);
  const leaks: Leak[] = [];
  for (const slug of TENANTS) {
    await inScope(world, slug, async ({ id }) => {
      for (const { tableName } of entitiesOf(world)) {
        const rows = await transaction.query<{ owner: string; n: number }>(
          `SELECT tenant_id AS owner, count(*)::int AS n FROM "${tableName}" WHERE tenant_id <> $1 GROUP BY 1`,
          [id],
        );
        for (const { n, owner } of rows) leaks.push({ from: '', what: `${slug} sees ${n} ${tableName} of ${owner}` });
      }
    });
  }
  return leaks;
}

const entitiesOf = (world: World) => world.t.app.get(TenantDataSource).entityMetadatas;

async function repositories(world: World): Promise<Leak[]> {
  const leaks: Leak[] = [];
  for (const slug of TENANTS) {
    await inScope(world, slug, async ({ id }) => {
      for (const { target, tableName } of entitiesOf(world)) {
        const token = tenantRepositoryToken(target as new () => TenantOwned);
        const repository = world.t.app.get<TenantRepository<TenantOwned>>(token, { strict: false });
        const found = await repository.find({ take: 500 });
        const built = await repository.createQueryBuilder('a').where('1=1').orWhere('1=1').take(500).getMany();
        for (const row of [...found, ...built]) {
          if (row.tenantId !== id)
            leaks.push({ from: '', what: `${slug} loads a row of ${tableName} of ${row.tenantId}` });
        }
      }
    });
  }
  return leaks;
}

const REFERENCES = `SELECT c.relname AS child, f.relname AS parent,
    (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND a.attname <> 'tenant_id') AS column
   FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
  WHERE k.contype = 'f' AND k.connamespace = 'shared'::regnamespace`;

/** A row of one's own can be made to belong to one's own alone. */
async function references(world: World): Promise<Leak[]> {
  const all = await world.t.database.admin<{ child: string; parent: string; column: string }>(REFERENCES);
  const leaks: Leak[] = [];
  if (all.length === 0) return [{ from: '', what: 'no table refers to another any more' }];
  const transaction = world.t.app.get(TenantTransaction);
  for (const { child, parent, column } of all) {
    const [own, foreign] = [TENANTS[0]!, TENANTS[1]!];
    const { id: foreignId } = await world.t.tenant(foreign);
    const [theirs] = await world.t.database.admin<{ id: string }>(
      `SELECT id FROM everywhere.${parent} WHERE tenant_id = $1 LIMIT 1`,
      [foreignId],
    );
    if (!theirs) continue;
    await inScope(world, own, async ({ id, placement }) => {
      const schema = placement.kind === 'schema' ? placement.schema : 'shared';
      const undone = new Error('undone');
      const table = `"${schema}"."${child}"`;
      await transaction
        .run(async () => {
          const sql = `UPDATE ${table} SET ${column} = $1 WHERE tenant_id = $2 AND id = (SELECT id FROM ${table} LIMIT 1) RETURNING id`;
          const rows = await transaction.query(sql, [theirs.id, id]);
          if (rows.length > 0)
            leaks.push({ from: '', what: `${child}.${column} of ${own} points to ${parent} of ${foreign}` });
          throw undone;
        })
        .catch(() => undefined);
    });
  }
  return leaks;
}

/** Work that a tenant leaves behind is done in its scope, with what it left. */
async function jobs(world: World): Promise<Leak[]> {
  const seen = world.t.app.get(TestJobs, { strict: false });
  const texts = new Map(TENANTS.map((tenant) => [world.canaries.text(tenant, 'a job'), tenant]));
  for (const [text, tenant] of texts) {
    await inScope(world, tenant, () => world.t.app.get(TenantJobs).enqueue('test.note', { text }));
  }
  const done = () => seen.ran.filter(({ text }) => texts.has(text ?? ''));
  for (const end = Date.now() + 10_000; done().length < texts.size && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return done()
    .filter(({ text, tenant }) => texts.get(text ?? '') !== tenant)
    .map(({ text, tenant }) => ({
      from: '',
      what: `what ${texts.get(text ?? '')} left was done for ${tenant ?? 'nobody'}`,
    }));
}

const COPIED = `SELECT t.status, (SELECT string_agg(coalesce(p.error, p.state), '; ') FROM platform.provisionings p WHERE p.tenant_id = t.id) AS work,
    (SELECT count(*)::int FROM everywhere.users u WHERE u.tenant_id = t.id) AS people
   FROM platform.tenants t WHERE t.slug = $1`;

/** A copy holds what its source held, and nothing of another tenant: what is in it, the search through the rows reads. */
async function copies(world: World, prober: Prober): Promise<Leak[]> {
  const operation = world.operations.find(({ title }) => title === 'POST /api/sandboxes');
  if (!operation) return [];
  const copied = owners(world).map(async (actor): Promise<Leak[]> => {
    const headers: [string, string][] = [
      ['X-Tenant-ID', actor.tenant!],
      ['Authorization', (await actor.authorization()) ?? ''],
      ['Content-Type', 'application/json'],
    ];
    const request = { method: 'POST', path: operation.path, headers, body: encoded({ with_data: true }) };
    const reply = await prober.try({ operation, actor, attempt: 'copy', request, own: actor.tenant, named: [] });
    if (reply.status !== 201) return [{ from: '', what: `${actor.name} gets none: ${reply.status} ${reply.text}` }];
    const { slug } = JSON.parse(reply.text) as { slug: string };
    let state: { status: string; people: number; work: string } | undefined;
    for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
      [state] = await world.t.database.admin<{ status: string; people: number; work: string }>(COPIED, [slug]);
      if (state && state.status !== 'provisioning') break;
    }
    // The owner who asked is in it whatever was copied.
    const whole = state?.status === 'active' && state.people > 1;
    const leaks = whole
      ? []
      : [{ from: '', what: `${slug} is ${state?.status} with ${state?.people} people: ${state?.work}` }];
    // There may be only so many at once.
    const remove = { ...request, method: 'DELETE', path: `${operation.path}/${slug}`, body: encoded({}) };
    await prober.try({ operation, actor, attempt: 'copy removed', request: remove, own: actor.tenant, named: [] });
    return leaks;
  });
  return (await Promise.all(copied)).flat();
}
