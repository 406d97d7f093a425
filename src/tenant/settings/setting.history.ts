import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { isUuid, newId, type Page } from '../../common/index.js';
import { type Actor, InjectPlatformDataSource, PlatformCursors, TenantContext } from '../../tenancy/index.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import type { SettingMap, SettingsOwner } from './settings.owner.js';

/** One change of one setting. */
export interface SettingChange {
  id: string;
  key: string;
  /** Null: it was not set. */
  before: unknown;
  /** Null: it was taken away. */
  after: unknown;
  actor: Actor;
  changed_at: Date;
}

/** The settings of one owner before and after a change. */
export interface SettingsChanged {
  of: SettingsOwner;
  before: SettingMap;
  after: SettingMap;
}

const COLUMNS = 'id, key, before, after, actor, changed_at';
const PAGE = 'AND key = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4';
const LIST = {
  tenant: `SELECT ${COLUMNS} FROM setting_changes WHERE scope = 'tenant' AND tenant_id = $1 ${PAGE}`,
  plan: `SELECT ${COLUMNS} FROM setting_changes WHERE scope = 'plan' AND plan = $1 ${PAGE}`,
  // $1 has no column here, but every parameter of a statement needs a type.
  platform: `SELECT ${COLUMNS} FROM setting_changes WHERE scope = 'platform' AND $1::text IS NULL ${PAGE}`,
};
const FIND = `SELECT ${COLUMNS} FROM setting_changes
  WHERE id = $1 AND key = $2 AND scope = $3 AND tenant_id IS NOT DISTINCT FROM $4 AND plan IS NOT DISTINCT FROM $5`;
const INSERT = `INSERT INTO setting_changes (id, scope, tenant_id, plan, key, before, after, actor)
  SELECT id, scope, tenant_id, plan, key, before, after, $2 FROM jsonb_to_recordset($1::jsonb)
    AS r(id uuid, scope text, tenant_id uuid, plan text, key text, before jsonb, after jsonb)`;
const ERASE = 'DELETE FROM setting_changes WHERE tenant_id = $1';

/** Who changed which setting, when, from what to what. A tenant's history goes with the tenant. */
@Injectable()
export class SettingHistory {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly context: TenantContext,
    private readonly cursors: PlatformCursors,
    erasure: TenantErasure,
  ) {
    erasure.register(async (manager, tenantId) => {
      await manager.query(ERASE, [tenantId]);
    });
  }

  /**
   * Records what differs, by whoever acts in the scope at hand.
   *
   * @param manager of the transaction of the change, which holds the owner's row: so ids are in the order of changes
   */
  record(manager: EntityManager, of: SettingsOwner, before: SettingMap, after: SettingMap): Promise<void> {
    return this.recordAll(manager, [{ of, before, after }]);
  }

  /** The same for many owners at once. */
  async recordAll(manager: EntityManager, changes: SettingsChanged[]): Promise<void> {
    const rows = changes.flatMap(({ of, before, after }) => {
      const { tenantId, plan } = columnsOf(of);
      const owner = { scope: of.scope, tenant_id: tenantId, plan };
      return differing(before, after).map((key) => ({
        ...owner,
        id: newId(),
        key,
        before: before[key],
        after: after[key],
      }));
    });
    if (rows.length === 0) return;
    const actor = JSON.stringify(this.context.actor() ?? { kind: 'system' });
    await manager.query(INSERT, [JSON.stringify(rows), actor]);
  }

  /**
   * Newest first.
   *
   * @param limit changes to a page
   * @throws CursorInvalid
   */
  async list(of: SettingsOwner, key: string, limit: number, cursor?: string): Promise<Page<SettingChange>> {
    const { tenantId, plan } = columnsOf(of);
    const owner = `settings:${of.scope}:${plan ?? ''}:${key}`;
    const before = this.cursors.open(owner, cursor, tenantId ?? undefined);
    const rows = await this.platform.query<SettingChange[]>(LIST[of.scope], [tenantId ?? plan, key, before, limit + 1]);
    return this.cursors.page(owner, rows, limit, ({ id }) => id, tenantId ?? undefined);
  }

  /** @returns undefined when this setting of this owner has no such change */
  async find(of: SettingsOwner, key: string, id: string): Promise<SettingChange | undefined> {
    if (!isUuid(id)) return undefined;
    const { tenantId, plan } = columnsOf(of);
    const [change] = await this.platform.query<SettingChange[]>(FIND, [id, key, of.scope, tenantId, plan]);
    return change;
  }
}

/** Keys whose value is another, or that one of them has not. */
export function differing(before: SettingMap, after: SettingMap): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], after[key]));
}

function columnsOf(of: SettingsOwner): { tenantId: string | null; plan: string | null } {
  return { tenantId: of.scope === 'tenant' ? of.id : null, plan: of.scope === 'plan' ? of.name : null };
}
