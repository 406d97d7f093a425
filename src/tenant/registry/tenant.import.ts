import { Injectable, Optional } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { newId } from '../../common/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { announce } from '../tenant.channel.js';
import { type TenantLine, TenantsFileError } from './tenants-file.js';

export interface ImportReport {
  created: number;
  updated: number;
  unchanged: number;
}

export interface ImportOptions {
  /** `missing` creates and never overwrites; `upsert` also brings existing tenants to what the file says. */
  mode: 'missing' | 'upsert';
  /** Settings put under those of the file. */
  defaults?: Record<string, unknown>;
  onProgress?: (done: number, total: number) => void;
}

const BATCH = 5000;
/** Slugs that the audit event of an import names. */
const MAX_AUDITED = 100;

const INPUT = `WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb)
  AS r(id uuid, slug text, name text, plan text, settings jsonb, extra jsonb))`;

/** Brings sets of tenants from a file into the registry. */
@Injectable()
export class TenantImport {
  /** @param audit left out only where nothing is audited: in the benchmark and in tests */
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Optional() private readonly audit?: PlatformAudit,
  ) {}

  /**
   * Imports tenants, all or nothing, in sets.
   *
   * @throws TenantsFileError when a slug was retired or belongs to a tenant that is not in service
   */
  async import(lines: TenantLine[], options: ImportOptions): Promise<ImportReport> {
    return this.platform.transaction(async (manager) => {
      // One import at a time, so that two of the same file do not wait for each other's rows in different orders.
      await manager.query(`SELECT pg_advisory_xact_lock(hashtext('tenantry:import'))`);
      const report: ImportReport = { created: 0, updated: 0, unchanged: 0 };
      const changed: string[] = [];
      for (let start = 0; start < lines.length; start += BATCH) {
        const batch = lines.slice(start, start + BATCH);
        const { created, updated } = await this.importBatch(manager, batch, options);
        report.created += created.length;
        report.updated += updated.length;
        report.unchanged += batch.length - created.length - updated.length;
        changed.push(...created, ...updated);
        options.onProgress?.(Math.min(start + BATCH, lines.length), lines.length);
      }
      if (changed.length > 0) {
        const details = { created: report.created, updated: report.updated, slugs: changed.slice(0, MAX_AUDITED) };
        await this.audit?.record(manager, { event: 'tenants.imported', details });
        await announce(manager, changed);
      }
      return report;
    });
  }

  private async importBatch(
    manager: EntityManager,
    batch: TenantLine[],
    options: ImportOptions,
  ): Promise<{ created: string[]; updated: string[] }> {
    const rows = batch.map((line) => ({
      ...line,
      id: newId(),
      plan: line.plan ?? null,
      settings: { ...options.defaults, ...line.settings },
    }));
    const input = JSON.stringify(rows);
    const refused = await this.rows(
      manager,
      `${INPUT} SELECT i.slug FROM input i
         LEFT JOIN slugs s ON s.slug = i.slug LEFT JOIN tenants t ON t.slug = i.slug
        WHERE (s.slug IS NOT NULL AND s.tenant_id IS DISTINCT FROM t.id)
           OR t.status IN ('archived', 'deleted', 'failed') ORDER BY 1`,
      input,
    );
    if (refused.length > 0) {
      throw new TenantsFileError(refused.map((slug) => `id "${slug}" was retired and is never given out again`));
    }
    const created = await this.rows(
      manager,
      `${INPUT}, made AS (
         INSERT INTO tenants (id, slug, name, plan, status, settings, extra)
         SELECT id, slug, name, coalesce(plan, 'unlimited'), 'active', settings, extra FROM input
         ON CONFLICT (slug) DO NOTHING RETURNING id, slug),
       held AS (INSERT INTO slugs (slug, tenant_id) SELECT slug, id FROM made)
       SELECT slug FROM made`,
      input,
    );
    if (options.mode === 'missing') return { created, updated: [] };
    const touched = await this.rows(
      manager,
      `${INPUT}, changed AS (
         UPDATE tenants t SET name = i.name, plan = coalesce(i.plan, t.plan), settings = t.settings || i.settings,
                extra = t.extra || i.extra, revision = t.revision + 1, updated_at = now()
           FROM input i WHERE t.slug = i.slug
            AND (t.name, t.plan, t.settings, t.extra)
                IS DISTINCT FROM (i.name, coalesce(i.plan, t.plan), t.settings || i.settings, t.extra || i.extra)
         RETURNING t.slug)
       SELECT slug FROM changed`,
      input,
    );
    return { created, updated: touched };
  }

  private async rows(manager: EntityManager, sql: string, input: string): Promise<string[]> {
    const rows = await manager.query<{ slug: string }[]>(sql, [input]);
    return rows.map((row) => row.slug);
  }
}
