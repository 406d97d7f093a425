import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AppError } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase, withConnection } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource } from '../../tenancy/index.js';
import { BackupStorage } from '../backups/backup.storage.js';
import { TenantErasure, type TenantStash } from '../lifecycle/tenant.erasure.js';
import { Servers } from '../places/servers.js';
import { TenantStore } from '../tenant.store.js';
import { type ScannedTable, scanDatabase, scanFiles } from './erasure.scan.js';

/** What outlives a tenant on purpose. */
const KEPT: Record<string, string> = {
  'platform.tenants': 'its tombstone, and which tenants were made from it',
  'shared.closures': 'nobody is let in under its id any more',
  'platform.slugs': 'slugs are never given out again',
  'platform.tenant_words': 'the words of the slug, by which its tombstone is found',
  'platform.audit_events': "the platform's audit log",
};

export interface Remains {
  where: string;
  count: number;
}

/** What was looked through for a tenant that was erased, and what was found. */
export interface ErasureProof {
  tenant: string;
  slug: string;
  proven: boolean;
  looked_through: { servers: number; databases: number; tables: number; rows: number; files: number };
  /** Must be nothing. */
  found: Remains[];
  kept: (Remains & { why: string })[];
  /** Where nobody could look; must be nothing. */
  unread: string[];
  /** What is called like a place of this installation and belongs to no tenant. It was looked through, too. */
  strays: string[];
}

const SERVERS = `SELECT name FROM servers ORDER BY name`;
const PLACES = `SELECT name, login FROM places WHERE server = $1`;
/** Of this installation, by their names; those of a server's other databases are none of ours. */
const DATABASES = `SELECT datname AS name FROM pg_database WHERE left(datname, length($1)) = $1 ORDER BY 1`;
const ROLES = `SELECT rolname AS name FROM pg_roles WHERE left(rolname, length($1)) = $1 ORDER BY 1`;
const SCHEMAS = `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{16}$' ORDER BY 1`;
const BY_SLUG = `SELECT 'platform.slug_holds' AS "where", count(*)::int AS count FROM slug_holds WHERE slug = ANY ($1)
  UNION ALL SELECT 'platform.signups', count(*)::int FROM signups WHERE slug = ANY ($1)`;
const SLUGS = 'SELECT slug FROM slugs WHERE tenant_id = $1';

/** Looks for what is left of an erased tenant, wherever anything of a tenant is kept. */
@Injectable()
export class ErasureProver {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    @Inject(ENV) private readonly env: Env,
    private readonly servers: Servers,
    private readonly tenants: TenantStore,
    private readonly backups: BackupStorage,
    private readonly erasure: TenantErasure,
  ) {}

  /**
   * Every column of every row of every database is looked at, so it takes as long as reading them all.
   *
   * @param name slug or UUID
   * @param onLook told of each database before it is looked through
   * @throws UnknownTenant, TenantNotErased
   */
  async prove(name: string, onLook: (database: string) => void = () => undefined): Promise<ErasureProof> {
    const { id, slug, status } = await this.tenants.find(name);
    if (status !== 'deleted') throw new TenantNotErased(slug);
    const servers = await this.platform.query<{ name: string }[]>(SERVERS);
    const tables: ScannedTable[] = [];
    const strays: string[] = [];
    const unread: string[] = [];
    let databases = 0;
    for (const { name: server } of servers) {
      try {
        const known = await this.knownOn(server);
        onLook(server);
        tables.push(...(await this.scan(server, undefined, id)));
        strays.push(...known.strays.map((stray) => `${server} ${stray}`));
        databases += 1;
        for (const database of known.databases) {
          onLook(`${server} ${database}`);
          const scanned = await this.scanIfThere(server, database, id);
          databases += scanned ? 1 : 0;
          tables.push(...(scanned ?? []));
        }
      } catch (error) {
        unread.push(`${server}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    const { dataDir, filesDir } = this.env;
    const files = await scanFiles(dataDir, id, [path.join(dataDir, 'postgres'), filesDir], 'archives');
    const ofControlPlane = (table: ScannedTable): string => table.table.slice(table.table.indexOf('.') + 1);
    const withSome = tables.filter(({ found }) => found > 0);
    const found = [
      ...withSome.filter((table) => !(ofControlPlane(table) in KEPT)).map(({ table, found }) => remains(table, found)),
      ...(await this.bySlug(id)),
      ...files.found.map((file) => remains(file, 1)),
    ];
    for (const stash of this.stashes()) {
      const { name } = stash;
      try {
        const count = await stash.countOf(id);
        if (count > 0) found.push(remains(name, count));
      } catch (error) {
        unread.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    unread.push(...files.unread);
    unread.push(...tables.filter(({ readable }) => !readable).map(({ table }) => table));
    return {
      tenant: id,
      slug,
      proven: found.length === 0 && unread.length === 0,
      looked_through: {
        servers: servers.length,
        databases,
        tables: tables.length,
        rows: tables.reduce((sum, { rows }) => sum + rows, 0),
        files: files.files,
      },
      found,
      kept: withSome.flatMap((table) => {
        const why = KEPT[ofControlPlane(table)];
        return why === undefined ? [] : [{ ...remains(table.table, table.found), why }];
      }),
      unread,
      strays,
    };
  }

  private async scan(server: string, database: string | undefined, id: string): Promise<ScannedTable[]> {
    const address = await this.servers.addressOf(server);
    const scanned = await scanDatabase(address.url('maintenance', true, database), id, false);
    if (server !== DEFAULT_SERVER || database !== undefined) return scanned;
    return [...scanned, ...(await scanDatabase(address.url('platform', true), id, true))];
  }

  /** @returns undefined when it is gone since it was listed */
  private async scanIfThere(server: string, database: string, id: string): Promise<ScannedTable[] | undefined> {
    try {
      return await this.scan(server, database, id);
    } catch (error) {
      const { databases } = await this.knownOn(server);
      if (databases.includes(database)) throw error;
      return undefined;
    }
  }

  /** Tenants' databases there, and what is called like a place of ours and is none. */
  private async knownOn(server: string): Promise<{ databases: string[]; strays: string[] }> {
    const address = await this.servers.addressOf(server);
    const prefix = `${this.database.roles.installation}_t_`;
    const places = await this.platform.query<{ name: string; login: string | null }[]>(PLACES, [server]);
    const names = new Set(places.flatMap(({ name, login }) => [name, login]));
    const list = await namesAt(address.url('maintenance', true), prefix);
    const strays = Object.entries(list).flatMap(([what, all]) =>
      all.filter((name) => !names.has(name)).map((name) => `${what} ${name}`),
    );
    return { databases: list.database, strays };
  }

  /** They lie outside of everything else, and are encrypted or anything at all: by their names. */
  private stashes(): Pick<TenantStash, 'name' | 'countOf'>[] {
    const backups = { name: 'backups', countOf: (id: string) => this.backups.countOf(id) };
    return [...(this.backups.available ? [backups] : []), ...this.erasure.stashes];
  }

  private async bySlug(id: string): Promise<Remains[]> {
    const slugs = await this.platform.query<{ slug: string }[]>(SLUGS, [id]);
    const rows = await this.platform.query<Remains[]>(BY_SLUG, [slugs.map(({ slug }) => slug)]);
    return rows.filter(({ count }) => count > 0);
  }
}

function remains(where: string, count: number): Remains {
  return { where, count };
}

async function namesAt(url: string, prefix: string): Promise<Record<'database' | 'role' | 'schema', string[]>> {
  return withConnection(url, async (client) => {
    const names = async (sql: string, values: unknown[]): Promise<string[]> =>
      (await client.query<{ name: string }>(sql, values)).rows.map(({ name }) => name);
    return {
      database: await names(DATABASES, [prefix]),
      role: await names(ROLES, [prefix]),
      schema: await names(SCHEMAS, []),
    };
  });
}

/** Only what is erased can be proven to be. */
export class TenantNotErased extends AppError {
  constructor(slug: string) {
    super({
      status: 409,
      code: 'tenant_not_erased',
      detail: `The tenant ${slug} has not been erased.`,
      remedy: 'Archive and delete it; once its time of grace is over, or after "tenants purge-due", ask again.',
    });
  }
}
