import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { JobErasure } from '../../jobs/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';

/** Rows that one statement deletes at most, so that no lock is held for long. */
const BATCH = 5000;

/** Says how much there was, where that may grow again: what is under way writes after it. */
type PlatformEraser = (manager: EntityManager, tenantId: string) => Promise<number | void>;

/** Erases everything that is held of a tenant but its place in the registry and in the platform's audit log. */
@Injectable()
export class TenantErasure {
  private readonly erasers: PlatformEraser[] = [];

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    jobs: JobErasure,
  ) {
    this.register((manager, tenantId) => jobs.erase(manager, tenantId));
  }

  /** For slices that keep something of a tenant in the control plane. */
  register(eraser: PlatformEraser): void {
    this.erasers.push(eraser);
  }

  /**
   * May be repeated; what an attempt left half done, the next one finishes.
   *
   * @returns how many rows of the tenant went, or are still to go
   */
  async erase(tenantId: string): Promise<number> {
    let erased = 0;
    const client = new pg.Client({ connectionString: this.database.url('maintenance') });
    // Unheard, a connection that breaks would end the process; its statement fails all the same.
    client.on('error', () => undefined);
    await client.connect();
    try {
      for (const table of await tablesOf(client)) {
        const name = pg.escapeIdentifier(table);
        const sql = `DELETE FROM ${name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${name} WHERE tenant_id = $1 LIMIT ${BATCH}))`;
        for (let batch = BATCH; batch === BATCH; erased += batch) {
          batch = (await client.query(sql, [tenantId])).rowCount ?? 0;
        }
      }
    } finally {
      await client.end().catch(() => undefined);
    }
    await this.platform.transaction(async (manager) => {
      for (const eraser of this.erasers) erased += (await eraser(manager, tenantId)) ?? 0;
    });
    return erased;
  }
}

/** Every table of tenants' rows, each before those it refers to. */
async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows: tables } = await client.query<{ name: string; refers: string[] }>(
    `SELECT c.relname AS name,
            ARRAY(SELECT f.relname::text FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
                   WHERE k.conrelid = c.oid AND k.contype = 'f') AS refers
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE n.nspname = 'shared' AND c.relkind = 'r' AND c.relrowsecurity ORDER BY 1`,
  );
  const refersTo = new Map(tables.map(({ name, refers }) => [name, refers]));
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const [other, refers] of refersTo) if (other !== name && refers.includes(name)) visit(other);
    ordered.push(name);
  };
  for (const { name } of tables) visit(name);
  return ordered;
}
