import { createHash } from 'node:crypto';
import { Injectable, Module, Global } from '@nestjs/common';
import { type SettingLayers, type Tenant, TenantContext } from '../tenancy/index.js';
import type { SecretSetting, Setting } from './setting.js';

/** Reads the settings of the current tenant. */
@Injectable()
export class TenantSettings {
  constructor(private readonly context: TenantContext) {}

  /**
   * The value in force, at once and without a look-up.
   *
   * @throws TenantContextMissing outside a tenant scope
   */
  get<T>(setting: Setting<T>): T {
    return settingOf(this.context.currentOrThrow(`Setting ${setting.key}`), setting);
  }
}

/** Where a value in force comes from, the nearest first. */
export const SETTING_SOURCES = ['tenant', 'plan', 'platform', 'default'] as const;
export type SettingSource = (typeof SETTING_SOURCES)[number];

export interface EffectiveSetting<T> {
  value: T;
  source: SettingSource;
}

/** What somebody has set, above what they inherit: a tenant is one. */
export type LayeredSettings = Pick<Tenant, 'settings' | 'inherited'>;

/** The value in force: the tenant's own, else its plan's, else the platform's, else the default. */
export function settingOf<T>(owner: LayeredSettings, setting: Setting<T>): T {
  return effectiveSetting(owner, setting).value;
}

/** The same, and where it comes from. A stored value that is no longer allowed counts as none. */
export function effectiveSetting<T>(owner: LayeredSettings, setting: Setting<T>): EffectiveSetting<T> {
  let known = resolved.get(owner.settings);
  // Tenants are replaced as a whole, so what was resolved for one object stays true of it.
  if (!known || known.inherited !== owner.inherited) {
    known = { inherited: owner.inherited, values: new Map() };
    resolved.set(owner.settings, known);
  }
  let effective = known.values.get(setting.key);
  if (!effective) {
    effective = resolve(owner, setting);
    known.values.set(setting.key, effective);
  }
  return effective as EffectiveSetting<T>;
}

/** A digest of where a secret is sent with the settings in force; undefined: nowhere that settings say. */
export function addressOf(owner: LayeredSettings, { sentTo }: SecretSetting): string | undefined {
  if (sentTo === undefined) return undefined;
  const values = JSON.stringify(sentTo.map((setting) => settingOf(owner, setting) ?? null));
  return createHash('sha256').update(values).digest('base64url');
}

/** Whether a secret of the tenant's own was entered for another address than the one in force: it is not sent there. */
export function isSecretNeeded(owner: LayeredSettings, setting: SecretSetting): boolean {
  const { value, source } = effectiveSetting(owner, setting);
  return source === 'tenant' && value?.for !== addressOf(owner, setting);
}

interface Resolved {
  inherited: SettingLayers | undefined;
  values: Map<string, EffectiveSetting<unknown>>;
}

const resolved = new WeakMap<object, Resolved>();

function resolve(owner: LayeredSettings, setting: Setting<unknown>): EffectiveSetting<unknown> {
  const { key } = setting;
  const layers = [
    ['tenant', owner.settings],
    ['plan', setting.byPlan ? owner.inherited?.plan : undefined],
    ['platform', owner.inherited?.platform],
  ] as const;
  for (const [source, values] of layers) {
    if (values === undefined || !Object.hasOwn(values, key)) continue;
    const value = values[key];
    if (setting.accepts(value)) return { value, source };
  }
  return { value: setting.default, source: 'default' };
}

@Global()
@Module({ providers: [TenantSettings], exports: [TenantSettings] })
export class SettingsModule {}
