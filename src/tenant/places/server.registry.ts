import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { AppError, seal } from '../../common/index.js';
import { DATABASE, DatabaseSetupError, type PreparedDatabase, prepareServer } from '../../database/index.js';
import { DEFAULT_SERVER, InjectPlatformDataSource } from '../../tenancy/index.js';

/** What decides which tenants come to a server. */
export interface ServerRules {
  region: string | null;
  /** Its share of new tenants among the servers that take them; 0 takes none but those that name it. */
  weight: number;
  /** Only tenants of these plans; null takes all. */
  plans: string[] | null;
}

export interface NewServerEntry extends Partial<ServerRules> {
  name: string;
  /** Of a user who may create roles, and databases if tenants are to have their own. Kept sealed. */
  url: string;
  directUrl?: string | undefined;
}

/** A server as an admin sees it: its URL is never shown again. */
export interface ServerRecord extends ServerRules {
  name: string;
  tenants: number;
  /** Schemas and databases of tenants, those kept ready included. */
  places: number;
  created_at: Date;
}

type Queries = Pick<EntityManager, 'query'>;

const LIST = `SELECT s.name, s.region, s.weight, s.plans, s.created_at,
    (SELECT count(*)::int FROM places p WHERE p.server = s.name) AS places,
    CASE WHEN s.name = $1
      THEN (SELECT count(*)::int FROM tenants WHERE status <> 'deleted')
           - (SELECT count(*)::int FROM tenants WHERE placement <> '{"kind":"shared"}' AND status <> 'deleted'
                 AND coalesce(placement->>'server', $1) <> $1)
      ELSE (SELECT count(*)::int FROM tenants WHERE placement <> '{"kind":"shared"}' AND status <> 'deleted'
                 AND placement->>'server' = s.name) END AS tenants
   FROM servers s WHERE $2::text IS NULL OR s.name = $2 ORDER BY s.name <> $1, s.name`;

/** Which servers there are, and which tenants come to them. */
@Injectable()
export class ServerRegistry {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly audit: PlatformAudit,
  ) {}

  list(): Promise<ServerRecord[]> {
    return this.platform.query<ServerRecord[]>(LIST, [DEFAULT_SERVER, null]);
  }

  /** @throws ServerNotFound */
  async find(name: string, queries: Queries = this.platform): Promise<ServerRecord> {
    const rows = await queries.query<ServerRecord[]>(LIST, [DEFAULT_SERVER, name]);
    if (!rows[0]) throw new ServerNotFound();
    return rows[0];
  }

  /**
   * Makes roles and shared tables there, then takes the server in.
   *
   * @throws ServerTaken, ServerUnfit
   */
  async add({ name, url, directUrl, ...rules }: NewServerEntry): Promise<ServerRecord> {
    const taken = await this.platform.query<unknown[]>('SELECT 1 FROM servers WHERE name = $1', [name]);
    if (taken.length > 0) throw new ServerTaken(name);
    await this.prepare(url, directUrl ?? url);
    return this.platform.transaction(async (manager) => {
      const added = await manager.query<unknown[]>(
        `INSERT INTO servers (name, region, weight, plans, url, direct_url) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO NOTHING RETURNING name`,
        [
          name,
          rules.region ?? null,
          rules.weight ?? 100,
          rules.plans ?? null,
          this.sealed(name, url),
          directUrl === undefined ? null : this.sealed(name, directUrl),
        ],
      );
      if (added.length === 0) throw new ServerTaken(name);
      const after = await this.find(name, manager);
      const { region, weight, plans } = after;
      const target = { kind: 'server', id: name };
      await this.audit.record(manager, { event: 'server.added', target, after: { region, weight, plans } });
      return after;
    });
  }

  /** Tenants that are there stay. @throws ServerNotFound */
  async edit(name: string, rules: Partial<ServerRules>): Promise<ServerRecord> {
    return this.platform.transaction(async (manager) => {
      await manager.query('SELECT 1 FROM servers WHERE name = $1 FOR UPDATE', [name]);
      const before = await this.find(name, manager);
      const { region, weight, plans } = { ...before, ...rules };
      await manager.query('UPDATE servers SET region = $2, weight = $3, plans = $4 WHERE name = $1', [
        name,
        region,
        weight,
        plans,
      ]);
      await this.audit.record(manager, {
        event: 'server.edited',
        target: { kind: 'server', id: name },
        before: { region: before.region, weight: before.weight, plans: before.plans },
        after: { region, weight, plans },
      });
      return this.find(name, manager);
    });
  }

  /** Forgets a server that nothing is on any more; what we made there stays. @throws ServerNotFound, ServerInUse */
  async remove(name: string): Promise<void> {
    await this.platform.transaction(async (manager) => {
      await manager.query('SELECT 1 FROM servers WHERE name = $1 FOR UPDATE', [name]);
      const { tenants, places } = await this.find(name, manager);
      if (name === DEFAULT_SERVER || tenants + places > 0) throw new ServerInUse(name, tenants, places);
      await manager.query('DELETE FROM servers WHERE name = $1', [name]);
      await this.audit.record(manager, { event: 'server.removed', target: { kind: 'server', id: name } });
    });
  }

  private async prepare(url: string, directUrl: string): Promise<void> {
    const { roles, keys, migrations } = this.database;
    try {
      await prepareServer({ url, directUrl, roles, keys, migrations });
    } catch (error) {
      if (error instanceof DatabaseSetupError) throw new ServerUnfit(error.message);
      throw error;
    }
  }

  private sealed(name: string, url: string): Buffer {
    return seal(this.database.keys.derive('servers'), url, name);
  }
}

export class ServerNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'server_not_found',
      detail: 'There is no such server.',
      remedy: 'List the servers to see which there are.',
    });
  }
}

export class ServerTaken extends AppError {
  constructor(name: string) {
    super({
      status: 409,
      code: 'server_taken',
      detail: `There is a server ${name} already.`,
      remedy: 'Choose another name, or change that one.',
    });
  }
}

export class ServerInUse extends AppError {
  constructor(name: string, tenants: number, places: number) {
    super({
      status: 409,
      code: 'server_in_use',
      detail:
        name === DEFAULT_SERVER
          ? 'The server of DATABASE_URL cannot be removed.'
          : `The server ${name} has ${tenants} tenants and ${places} places of tenants.`,
      remedy: 'Give it the weight 0, so that no new tenants come, and move those that are there.',
    });
  }
}

/** Nothing was taken in. Roles and tables that were made there before it failed do no harm. */
export class ServerUnfit extends AppError {
  constructor(detail: string) {
    super({
      status: 422,
      code: 'server_unfit',
      detail,
      remedy: 'Mend that and send the request again.',
      errors: [{ pointer: '/url', detail: 'leads to no server that tenants can be placed on' }],
    });
  }
}
