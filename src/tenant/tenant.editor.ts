import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { RevisionMismatch, ValidationFailed } from '../common/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { withoutSecrets } from '../settings/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import type { Plan } from './plans.js';
import { SettingHistory } from './settings/setting.history.js';
import { mergedSettings } from './settings/settings.owner.js';
import { checkSettings } from './settings/settings.rules.js';
import { SlugHolds } from './slug.holds.js';
import { checkSlug } from './slug.rules.js';
import { TenantChanges } from './tenant.changes.js';
import { EditRefused, SlugTaken } from './tenant.errors.js';
import type { TenantKind, TenantRecord } from './tenant.record.js';
import { TenantStore } from './tenant.store.js';

/** What an edit may change; what is left out stays. */
export interface TenantEdit {
  slug?: string;
  name?: string;
  plan?: Plan;
  kind?: TenantKind;
  /** Flat, dotted keys; null goes back to the default. */
  settings?: Record<string, unknown>;
  /** When a trial or copy ends; null: never. */
  expires_at?: Date | null;
}

const ENDLESS = 'is for trials, sandboxes and training copies; a tenant in production does not end';
const TRIAL_END = `SELECT now() + trial_days * interval '24 hours' AS ends FROM plans WHERE name = $1`;

/** Edits tenants that are in service or suspended. */
@Injectable()
export class TenantEditor {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: TenantStore,
    private readonly holds: SlugHolds,
    private readonly changes: TenantChanges,
    private readonly history: SettingHistory,
  ) {}

  /**
   * @param name slug or UUID
   * @param revision as the client last saw it; undefined: whatever it is
   * @throws UnknownTenant, RevisionMismatch, EditRefused, SlugTaken; ValidationFailed for slug or settings
   */
  async edit(name: string, edit: TenantEdit, revision: number | undefined): Promise<TenantRecord> {
    if (edit.slug !== undefined) checkSlug(edit.slug);
    if (edit.settings) checkSettings(edit.settings, { nullable: true });
    const { id } = await this.store.find(name);
    return this.platform.transaction(async (manager) => {
      const before = await this.store.lock(manager, id);
      if (revision !== undefined && revision !== before.revision) throw new RevisionMismatch();
      if (before.status !== 'active' && before.status !== 'suspended') throw new EditRefused(before.status);
      const fields = { ...merged(before, edit), expires_at: await this.endOf(manager, before, edit) };
      if (fields.slug !== before.slug) await this.rename(manager, id, before.slug, fields.slug);
      const after = await this.store.setFields(manager, id, fields);
      await this.history.record(manager, { scope: 'tenant', id }, before.settings, after.settings);
      const change = { event: 'tenant.edited', before: visible(before), after: visible(after) };
      await this.changes.record(manager, after, change, before.slug);
      return after;
    });
  }

  /** Production tenants do not end; what becomes a trial ends as its plan says, unless the edit says when. */
  private async endOf(manager: EntityManager, before: TenantRecord, edit: TenantEdit): Promise<Date | null> {
    const kind = edit.kind ?? before.kind;
    if (kind === 'production') {
      if (edit.expires_at) throw new ValidationFailed([{ pointer: '/expires_at', detail: ENDLESS }]);
      return null;
    }
    if (edit.expires_at !== undefined) return edit.expires_at;
    if (kind !== 'trial' || before.kind === 'trial' || before.expires_at) return before.expires_at;
    const rows = await manager.query<{ ends: Date }[]>(TRIAL_END, [edit.plan ?? before.plan]);
    return rows[0]?.ends ?? null;
  }

  /** The old slug leads to the new one for a while, and stays this tenant's for good. */
  private async rename(manager: EntityManager, id: string, from: string, to: string): Promise<void> {
    await this.holds.claim(manager, to);
    const [held] = await manager.query<{ tenant_id: string }[]>(
      `INSERT INTO slugs (slug, tenant_id) VALUES ($1, $2)
       ON CONFLICT (slug) DO UPDATE SET redirect_until = NULL WHERE slugs.tenant_id = excluded.tenant_id
       RETURNING tenant_id`,
      [to, id],
    );
    if (!held) throw new SlugTaken(to);
    await manager.query(`UPDATE slugs SET redirect_until = now() + $2 * interval '1 day' WHERE slug = $1`, [
      from,
      this.env.slugRedirectDays,
    ]);
  }
}

function merged(before: TenantRecord, edit: TenantEdit) {
  return {
    slug: edit.slug ?? before.slug,
    name: edit.name?.trim() ?? before.name,
    plan: edit.plan ?? before.plan,
    kind: edit.kind ?? before.kind,
    settings: mergedSettings(before.settings, edit.settings ?? {}),
  };
}

function visible({ slug, name, plan, kind, settings, expires_at }: TenantRecord) {
  return { slug, name, plan, kind, settings: withoutSecrets(settings), expires_at };
}
