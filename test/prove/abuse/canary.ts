import type { TestDatabase } from '../../kit/test-database.js';
import type { Wire } from './wire.js';
import type { World } from './world.js';

/** Where more may be written while others are attacked, since being asked for in vain is told to the tenant. */
const GROWING = ['shared.audit_events', 'platform.audit_events'];

/** A tenant that nobody attacks. Whatever is done to others, what it has stays as it is. */
export class Canary {
  private constructor(
    private readonly database: TestDatabase,
    readonly slug: string,
    private readonly before: Map<string, string[]>,
  ) {}

  /** Founds it and fills it: people, sessions with messages, a file, a key, a role, an invitation, settings. */
  static async settle(world: World, wire: Wire, database: TestDatabase): Promise<Canary> {
    const slug = await world.createTenant('canary');
    const owner = await world.newcomer(slug, 'owner');
    const headers = { authorization: owner, 'x-tenant-id': slug };
    const fill = async (
      method: string,
      path: string,
      body: unknown,
      credential = headers as Record<string, string>,
    ) => {
      const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
      const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
      const answer = await wire.send({ method, path, headers: { 'content-type': type, ...credential }, body: bytes });
      if (answer.status >= 300)
        throw new Error(`${method} ${path} for the canary: ${answer.status} ${answer.body.toString()}`);
      return JSON.parse(answer.body.toString()) as Record<string, string>;
    };
    const visitor = { 'x-tenant-id': slug };
    const { session_id } = await fill('POST', '/session', {}, visitor);
    await fill('POST', '/chat', { session_id, message: 'sung by the canary' }, visitor);
    await fill('POST', '/api/files?name=canary.txt', Buffer.from('feathers'));
    await fill('POST', '/api/api-keys', { name: 'canary', permissions: ['session:read'] });
    await fill('POST', '/api/roles', { name: 'canary', permissions: ['user:read'] });
    await fill('POST', '/api/invitations', { email: `second@${slug}.example`, role: 'member' });
    await fill('PUT', '/api/config/welcome', { value: 'Tweet' });
    await settled(database, slug);
    return new Canary(database, slug, await rowsOf(database, slug));
  }

  /** @returns what of it changed, by table; empty when nothing did */
  async changes(): Promise<string[]> {
    const after = await rowsOf(this.database, this.slug);
    return [...this.before].flatMap(([table, rows]) => {
      const now = after.get(table) ?? [];
      const lost = rows.filter((row) => !now.includes(row));
      const more = GROWING.includes(table) ? [] : now.filter((row) => !rows.includes(row));
      return [...lost.map((row) => `${table} lost ${row}`), ...more.map((row) => `${table} has ${row}`)];
    });
  }

  /** Rows that it has, of all tables. */
  get size(): number {
    return [...this.before.values()].reduce((sum, rows) => sum + rows.length, 0);
  }
}

/** Until the relay has handled what filling it has led to. */
async function settled(database: TestDatabase, slug: string): Promise<void> {
  const waiting = (): Promise<unknown[]> =>
    database.admin(
      `SELECT 1 FROM shared.outbox_events e JOIN platform.tenants t ON t.id = e.tenant_id WHERE t.slug = $1 LIMIT 1`,
      [slug],
    );
  for (
    const end = Date.now() + 60_000;
    (await waiting()).length > 0;
    await new Promise((done) => setTimeout(done, 20))
  ) {
    if (Date.now() > end) throw new Error('The outbox of the canary does not empty.');
  }
}

/** Its rows as text, by table: of every table that has rows of tenants, and the entry in the registry. */
async function rowsOf(database: TestDatabase, slug: string): Promise<Map<string, string[]>> {
  const tables = await database.admin<{ name: string; key: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, a.attname AS key
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
      WHERE n.nspname IN ('shared', 'platform') AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
  const found = new Map<string, string[]>();
  for (const { name, key } of tables) {
    const rows = await database.admin<{ row: string }>(
      `SELECT to_jsonb(r)::text AS row FROM ${name} r JOIN platform.tenants t ON t.slug = $1 AND r.${key} = t.id ORDER BY 1`,
      [slug],
    );
    found.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return found;
}
