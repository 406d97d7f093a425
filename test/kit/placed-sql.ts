import pg from 'pg';
import type { PlaceKind } from '../../src/tenant/index.js';
import { runSql } from './scratch-server.js';
import { withDatabase } from './test-env.js';

const STRUCTURE = /^\s*(ALTER|CREATE|DROP|TRUNCATE|ANALYZE|GRANT|REVOKE)\b/i;
const EVERYWHERE = /\beverywhere\./g;

/** Tenant-owned tables as a spec writes them: `everywhere.users`, wherever the places of the tenants are. */
export function placed(sql: string, kind: PlaceKind | undefined): string {
  return kind === undefined ? sql.replace(EVERYWHERE, 'shared.') : sql;
}

/** The superuser of a test database, whose SQL reaches the places of its tenants. */
export class PlacedAdmin {
  /** Where rows are read from other databases, it is connecting to them that takes long. */
  private readonly pool: pg.Pool | undefined;

  constructor(
    private readonly url: string,
    private readonly kind: PlaceKind | undefined,
  ) {
    if (kind !== 'database') return;
    // Idle ones are closed soon: a database cannot be dropped under them.
    this.pool = new pg.Pool({ connectionString: url, max: 50, idleTimeoutMillis: 250 });
    this.pool.on('error', () => undefined);
  }

  /** Runs SQL; what changes the tables themselves, at each place by itself. */
  async run(sql: string, values?: unknown[]): Promise<unknown[]> {
    if (this.kind === undefined || !STRUCTURE.test(sql) || sql.search(EVERYWHERE) < 0) {
      return patiently(() => this.send(placed(sql, this.kind), values));
    }
    const places = (await this.send(`SELECT name, kind FROM platform.places WHERE state = 'used'`)) as {
      name: string;
      kind: PlaceKind;
    }[];
    const rows = await this.send(sql.replace(EVERYWHERE, 'shared.'), values);
    for (const place of places) {
      const url = place.kind === 'database' ? withDatabase(this.url, place.name) : this.url;
      const schema = place.kind === 'database' ? 'shared' : place.name;
      rows.push(...(await runSql(url, sql.replace(EVERYWHERE, `${schema}.`), values)));
    }
    return rows;
  }

  async end(): Promise<void> {
    await this.pool?.end();
  }

  private async send(sql: string, values?: unknown[]): Promise<unknown[]> {
    return this.pool ? ((await this.pool.query(sql, values)).rows as unknown[]) : runSql(this.url, sql, values);
  }
}

const SERIALIZATION_FAILURE = '40001';

/** Rows of another database are read and changed under a snapshot there, which a change meanwhile makes useless. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== SERIALIZATION_FAILURE || attempt === 50) throw error;
    }
  }
}
