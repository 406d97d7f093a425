import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { AppError, unseal } from '../../common/index.js';
import { addressOf, DATABASE, type PreparedDatabase, type ServerAddress } from '../../database/index.js';
import { InjectPlatformDataSource, DEFAULT_SERVER, ServerDirectory } from '../../tenancy/index.js';

interface ServerRow {
  url: Buffer;
  direct_url: Buffer | null;
}

/** Where a new tenant may go. */
export interface Wishes {
  plan: string;
  /** By name, whatever its region, weight and plans. */
  server?: string | undefined;
  region?: string | undefined;
}

/** The servers that tenants are placed on. The primary is the one of DATABASE_URL; others' URLs are kept sealed. */
@Injectable()
export class Servers extends ServerDirectory {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {
    super();
  }

  /** @throws UnknownServer */
  async addressOf(name: string): Promise<ServerAddress> {
    if (name === DEFAULT_SERVER) return this.database;
    const rows = await this.platform.query<ServerRow[]>(
      'SELECT url, direct_url FROM servers WHERE name = $1 AND url IS NOT NULL',
      [name],
    );
    if (!rows[0]) throw new UnknownServer(name);
    const url = this.open(name, rows[0].url);
    const directUrl = rows[0].direct_url ? this.open(name, rows[0].direct_url) : url;
    return addressOf({ url, directUrl, roles: this.database.roles, keys: this.database.keys });
  }

  /**
   * Of the servers that take a tenant like this one, one by chance, those of greater weight more often.
   *
   * @throws UnknownServer for one asked for by name; NoServer when none takes it
   */
  async choose(manager: EntityManager, { plan, server, region }: Wishes): Promise<string> {
    if (server !== undefined) {
      const named = await manager.query<unknown[]>('SELECT 1 FROM servers WHERE name = $1', [server]);
      if (named.length === 0) throw new UnknownServer(server);
      return server;
    }
    // -ln(random) / weight is least for a server as often as its share of all weights says.
    const rows = await manager.query<{ name: string }[]>(
      `SELECT name FROM servers
        WHERE weight > 0 AND ($1::text IS NULL OR region = $1) AND (plans IS NULL OR $2 = ANY (plans))
        ORDER BY -ln(1 - random()) / weight LIMIT 1`,
      [region ?? null, plan],
    );
    if (!rows[0]) throw new NoServer();
    return rows[0].name;
  }

  private open(name: string, sealed: Buffer): string {
    return unseal(this.database.keys.derive('servers'), sealed, name).toString('utf8');
  }
}

export class UnknownServer extends AppError {
  constructor(name: string) {
    super({
      status: 422,
      code: 'unknown_server',
      detail: `There is no server ${name}.`,
      remedy: 'Name one of the servers that tenants are placed on, or none.',
    });
  }
}

export class NoServer extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'no_server',
      detail: 'No server takes a tenant of this plan and region.',
      remedy: 'Name a server, or give one of them a weight, the region and the plan.',
    });
  }
}

export class DatabasesUnavailable extends AppError {
  constructor(role: string) {
    super({
      status: 409,
      code: 'isolation_unavailable',
      detail: `The role ${role} may not create databases.`,
      remedy: `Let it: ALTER ROLE ${role} CREATEDB, as a superuser; or choose the isolation schema.`,
    });
  }
}
