import { Injectable, Module, Global } from '@nestjs/common';
import { type Tenant, TenantContext } from '../tenancy/index.js';

/** A setting is declared once, beside the module that owns it. */
export interface Setting<T> {
  /** Flat, dotted: `limits.chat_per_10s`. */
  key: string;
  default: T;
  /** What is allowed, in words, for error messages. */
  allowed: string;
  accepts(value: unknown): value is T;
  /** `false`: a copy of the tenant goes without it, because it is secret, or says whom the tenant trusts. */
  copied?: false;
}

const declared = new Map<string, Setting<unknown>>();

export function declareSetting<T>(setting: Setting<T>): Setting<T> {
  if (declared.has(setting.key)) throw new Error(`Setting ${setting.key} is declared twice.`);
  declared.set(setting.key, setting);
  return setting;
}

export function declaredSetting(key: string): Setting<unknown> | undefined {
  return declared.get(key);
}

/** What a copy of the tenant gets of its settings: what is declared, and not kept from copies. */
export function copiedSettings(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copied = ([key]: [string, unknown]) => {
    const setting = declared.get(key);
    return setting !== undefined && setting.copied !== false;
  };
  return Object.fromEntries(Object.entries(settings).filter(copied));
}

export function declaredSettings(): Setting<unknown>[] {
  return [...declared.values()];
}

/** Reads the settings of the current tenant. */
@Injectable()
export class TenantSettings {
  constructor(private readonly context: TenantContext) {}

  /** @throws TenantContextMissing outside a tenant scope */
  get<T>(setting: Setting<T>): T {
    return settingOf(this.context.currentOrThrow(`Setting ${setting.key}`), setting);
  }
}

export function settingOf<T>(tenant: Pick<Tenant, 'settings'>, setting: Setting<T>): T {
  const value = tenant.settings[setting.key];
  return setting.accepts(value) ? value : setting.default;
}

@Global()
@Module({ providers: [TenantSettings], exports: [TenantSettings] })
export class SettingsModule {}
