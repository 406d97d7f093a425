import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { RevisionMismatch } from '../../common/index.js';
import { SecretVault } from '../../secrets/index.js';
import {
  addressOf,
  declaredSetting,
  INHERITED_SETTINGS,
  isSecret,
  layersOf,
  shownSettings,
} from '../../settings/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { UnknownPlan } from '../plan.registry.js';
import { checkSettings } from './settings.rules.js';
import { TenantChanges } from '../tenant.changes.js';
import { EditRefused, UnknownTenant } from '../tenant.errors.js';
import { TenantStore } from '../tenant.store.js';
import { PlanSettings } from './plan.settings.js';
import { PlatformSettings } from './platform.settings.js';
import { differing, SettingHistory } from './setting.history.js';
import { mergedSettings, type SettingMap, type SettingsOwner, type SettingsState } from './settings.owner.js';

/** What a change asks for. */
export interface SettingsChange {
  /** By key; null goes back to what is inherited. */
  settings: SettingMap;
  /** As the client last saw it; undefined: whatever it is. */
  revision?: number | undefined;
  /** Whether the values are from the owner's history, where secrets are sealed already. */
  fromHistory?: boolean;
}

const READ = {
  tenant: `SELECT t.settings, t.revision, ${INHERITED_SETTINGS} AS inherited FROM tenants t WHERE t.id = $1`,
  plan: `SELECT p.settings, p.revision, jsonb_build_object('plan', p.settings, 'platform', s.settings)::text AS inherited
    FROM plans p, platform_settings s WHERE p.name = $1`,
  platform: `SELECT s.settings, s.revision, jsonb_build_object('plan', '{}'::jsonb, 'platform', s.settings)::text AS inherited
    FROM platform_settings s`,
};

interface Row {
  settings: SettingMap;
  revision: number;
  inherited: string;
}

/** Reads and changes the settings of a tenant, a plan or the platform. */
@Injectable()
export class SettingsEditor {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly tenants: TenantStore,
    private readonly changes: TenantChanges,
    private readonly plans: PlanSettings,
    private readonly everybody: PlatformSettings,
    private readonly history: SettingHistory,
    private readonly vault: SecretVault,
  ) {}

  /** As they are stored now, whatever caches say. @throws UnknownTenant, UnknownPlan */
  async read(of: SettingsOwner, queries: Pick<EntityManager, 'query'> = this.platform): Promise<SettingsState> {
    const parameters = of.scope === 'platform' ? [] : [of.scope === 'tenant' ? of.id : of.name];
    const [row] = await queries.query<Row[]>(READ[of.scope], parameters);
    if (!row) throw of.scope === 'tenant' ? new UnknownTenant() : new UnknownPlan();
    const settings = of.scope === 'tenant' ? row.settings : {};
    return { own: row.settings, revision: row.revision, layers: { settings, inherited: layersOf(row.inherited) } };
  }

  /**
   * All of it or nothing. Every process works by it within a second; this one before the caller goes on. What changes
   * nothing leaves no trace.
   *
   * @throws ValidationFailed naming every fault, RevisionMismatch, EditRefused, UnknownTenant, UnknownPlan
   */
  async change(of: SettingsOwner, { settings, revision, fromHistory }: SettingsChange): Promise<SettingsState> {
    const secrets = fromHistory ? 'sealed' : 'texts';
    checkSettings(settings, { nullable: true, forPlan: of.scope === 'plan', secrets });
    return this.platform.transaction(async (manager) => {
      const before = await this.lock(manager, of);
      if (revision !== undefined && revision !== before.revision) throw new RevisionMismatch();
      const stored = fromHistory ? settings : await this.sealed(manager, of, settings, before.settings);
      const after = mergedSettings(before.settings, stored);
      const keys = differing(before.settings, after);
      if (keys.length > 0) {
        await this.history.record(manager, of, before.settings, after);
        const shown = { before: { settings: only(keys, before.settings) }, after: { settings: only(keys, after) } };
        await this.store(manager, of, after, shown);
      }
      return this.read(of, manager);
    });
  }

  /** Secrets as they are stored, under the owner's key, and those of a tenant for where they are sent after the change. */
  private async sealed(
    manager: EntityManager,
    of: SettingsOwner,
    settings: SettingMap,
    before: SettingMap,
  ): Promise<SettingMap> {
    const stored = { ...settings };
    const owner = of.scope === 'tenant' ? of.id : undefined;
    for (const [key, text] of Object.entries(settings)) {
      const setting = declaredSetting(key);
      if (!setting || !isSecret(setting) || typeof text !== 'string') continue;
      let address: string | undefined;
      if (owner !== undefined && setting.sentTo) {
        const { layers } = await this.read(of, manager);
        address = addressOf({ ...layers, settings: mergedSettings(before, settings) }, setting);
      }
      stored[key] = await this.vault.seal(owner, setting, text, manager, address);
    }
    return stored;
  }

  private async lock(manager: EntityManager, of: SettingsOwner): Promise<{ settings: SettingMap; revision: number }> {
    if (of.scope === 'plan') return this.plans.lock(manager, of.name);
    if (of.scope === 'platform') return this.everybody.lock(manager);
    const tenant = await this.tenants.lock(manager, of.id);
    if (tenant.status !== 'active' && tenant.status !== 'suspended') throw new EditRefused(tenant.status);
    return tenant;
  }

  private async store(
    manager: EntityManager,
    of: SettingsOwner,
    settings: SettingMap,
    shown: { before: SettingMap; after: SettingMap },
  ): Promise<void> {
    if (of.scope === 'plan') return this.plans.store(manager, of.name, settings, shown);
    if (of.scope === 'platform') return this.everybody.store(manager, settings, shown);
    const tenant = await this.tenants.setSettings(manager, of.id, settings);
    await this.changes.record(manager, tenant, { event: 'tenant.settings_changed', ...shown });
  }
}

/** As it may be shown; null for what is not set. */
function only(keys: string[], settings: SettingMap): SettingMap {
  return shownSettings(Object.fromEntries(keys.map((key) => [key, settings[key] ?? null])));
}
