import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { SettingHistory } from '../settings/setting.history.js';
import type { SettingMap } from '../settings/settings.owner.js';
import { TenantChanges } from '../tenant.changes.js';
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

const INPUT = `WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb)
  AS r(id uuid, slug text, name text, plan text, settings jsonb, extra jsonb))`;
/**
 * Takes the slugs first of all, and looks who has or holds them in a statement after that: whoever takes or holds one of
 * them at the same time waits for the same row of `slugs`, and so the later of the two sees what the earlier did.
 */
const TAKE = `${INPUT} INSERT INTO slugs (slug, tenant_id) SELECT slug, id FROM input ORDER BY slug
  ON CONFLICT (slug) DO NOTHING`;
const REFUSED = `${INPUT} SELECT i.slug, h.slug IS NOT NULL AS held FROM input i
    JOIN slugs s ON s.slug = i.slug
    LEFT JOIN tenants t ON t.slug = i.slug
    LEFT JOIN slug_holds h ON h.slug = i.slug AND h.expires_at > now() AND t.id IS NULL
   WHERE h.slug IS NOT NULL OR (s.tenant_id <> i.id AND s.tenant_id IS DISTINCT FROM t.id)
      OR t.status IN ('archived', 'deleted', 'failed') ORDER BY 1`;
const CREATE = `${INPUT} INSERT INTO tenants (id, slug, name, plan, status, settings, extra)
  SELECT i.id, i.slug, i.name, coalesce(i.plan, 'unlimited'), 'active', i.settings, i.extra
    FROM input i JOIN slugs s ON s.slug = i.slug AND s.tenant_id = i.id
  RETURNING slug`;
const RESETTING = `${INPUT} SELECT t.id, t.settings AS before, t.settings || i.settings AS after
    FROM input i JOIN tenants t ON t.slug = i.slug
   WHERE t.settings IS DISTINCT FROM t.settings || i.settings ORDER BY t.slug FOR UPDATE OF t`;
const UPDATE = `${INPUT}, changed AS (
  UPDATE tenants t SET name = i.name, plan = coalesce(i.plan, t.plan), settings = t.settings || i.settings,
         extra = t.extra || i.extra, revision = t.revision + 1, updated_at = now()
    FROM input i WHERE t.slug = i.slug
     AND (t.name, t.plan, t.settings, t.extra)
         IS DISTINCT FROM (i.name, coalesce(i.plan, t.plan), t.settings || i.settings, t.extra || i.extra)
  RETURNING t.slug)
  SELECT slug FROM changed`;

/** Brings sets of tenants from a file into the registry. */
@Injectable()
export class TenantImport {
  /** @param changes and @param history left out only where nobody is to hear of it: in the benchmark */
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly changes?: TenantChanges,
    private readonly history?: SettingHistory,
  ) {}

  /**
   * Imports tenants, all or nothing, in sets. However many they are, that is one entry of the log and one event.
   *
   * @throws TenantsFileError when a slug was retired, is held for somebody or belongs to a tenant that is not in service
   */
  async import(lines: TenantLine[], options: ImportOptions): Promise<ImportReport> {
    return this.platform.transaction(async (manager) => {
      // One import at a time, so that two of the same file do not wait for each other's rows in different orders.
      await manager.query(`SELECT pg_advisory_xact_lock(hashtext('tenantry:import'))`);
      const report: ImportReport = { created: 0, updated: 0, unchanged: 0 };
      const changed: string[] = [];
      const problems: string[] = [];
      for (let start = 0; start < lines.length; start += BATCH) {
        const batch = lines.slice(start, start + BATCH);
        const { created, updated, refused } = await this.importBatch(manager, batch, options);
        problems.push(...refused);
        report.created += created.length;
        report.updated += updated.length;
        report.unchanged += batch.length - created.length - updated.length;
        changed.push(...created, ...updated);
        options.onProgress?.(Math.min(start + BATCH, lines.length), lines.length);
      }
      if (problems.length > 0) throw new TenantsFileError(problems);
      if (changed.length > 0) await this.changes?.recordImport(manager, report, changed);
      return report;
    });
  }

  private async importBatch(
    manager: EntityManager,
    batch: TenantLine[],
    options: ImportOptions,
  ): Promise<{ created: string[]; updated: string[]; refused: string[] }> {
    const rows = batch.map(({ line: _, ...tenant }) => ({
      ...tenant,
      id: newId(),
      plan: tenant.plan ?? null,
      settings: { ...options.defaults, ...tenant.settings },
    }));
    const input = JSON.stringify(rows);
    await manager.query(TAKE, [input]);
    const refused = await manager.query<{ slug: string; held: boolean }[]>(REFUSED, [input]);
    // Nothing of the batch is made then; what is wrong with the batches after it is to be told as well.
    if (refused.length > 0) return { created: [], updated: [], refused: problemsOf(refused, batch) };
    const created = await this.slugs(manager, CREATE, input);
    const updated = options.mode === 'missing' ? [] : await this.update(manager, input);
    return { created, updated, refused: [] };
  }

  private async update(manager: EntityManager, input: string): Promise<string[]> {
    const resetting = await manager.query<{ id: string; before: SettingMap; after: SettingMap }[]>(RESETTING, [input]);
    const changes = resetting.map(({ id, ...change }) => ({ of: { scope: 'tenant' as const, id }, ...change }));
    await this.history?.recordAll(manager, changes);
    return this.slugs(manager, UPDATE, input);
  }

  private async slugs(manager: EntityManager, sql: string, input: string): Promise<string[]> {
    const rows = await manager.query<{ slug: string }[]>(sql, [input]);
    return rows.map((row) => row.slug);
  }
}

/** In the order of the file, each with its line. */
function problemsOf(refused: { slug: string; held: boolean }[], batch: TenantLine[]): string[] {
  const held = new Map(refused.map((row) => [row.slug, row.held]));
  return batch.flatMap(({ slug, line }) => {
    if (!held.has(slug)) return [];
    const why = held.get(slug) ? 'is held for somebody who signs up' : 'was retired and is never given out again';
    return [`${line === undefined ? '' : `line ${line}: `}id "${slug}" ${why}`];
  });
}
