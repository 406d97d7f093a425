import { Injectable } from '@nestjs/common';
import { type Setting, settingOf } from '../settings/index.js';
import { type Actor, type Tenant, TenantContext } from '../tenancy/index.js';
import { API_KEY_PER_MINUTE, REQUESTS_PER_HOUR, RESERVED_FOR_USERS, USER_PER_MINUTE } from './limits.settings.js';
import { type LimitedRoute, type TenantLimitPolicy, TenantLimits } from './tenant-limit.guard.js';

interface DeclaredLimit {
  name: string;
  setting: Setting<number | undefined>;
  windowSeconds: number;
}

const declared = new Map<string, DeclaredLimit>();

/** Declares a limit beside the module that owns it; its quota is a tenant setting, unset meaning no limit. */
export function declareLimit(limit: DeclaredLimit): void {
  declared.set(limit.name, limit);
}

const NONE: readonly TenantLimitPolicy[] = [];
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Of one platform admin; wide enough for scripts, and a brake on a stolen credential. */
const ADMIN_PER_MINUTE = 6000;
/** What callers with an account are limited by, each for itself. */
const OWN = {
  user: { name: 'user', setting: USER_PER_MINUTE, whose: 'this user' },
  'api-key': { name: 'api-key', setting: API_KEY_PER_MINUTE, whose: 'this API key' },
} as const;

/**
 * The limits that modules have declared, the plan's, and those of each caller. What does not depend on the caller is put
 * together once for each version of a tenant.
 */
@Injectable()
export class DeclaredTenantLimits extends TenantLimits {
  /** Tenants are replaced as a whole, so what was put together for one object stays true of it. */
  private readonly known = new WeakMap<Tenant, Map<string, readonly TenantLimitPolicy[]>>();

  constructor(private readonly context: TenantContext) {
    super();
  }

  override policiesFor({ limit, door }: LimitedRoute): readonly TenantLimitPolicy[] {
    const tenant = this.context.current();
    const actor = this.context.actor();
    if (!tenant) return actor?.kind === 'platform-admin' ? [ofAdmin(actor)] : NONE;
    if (door && !actor) return NONE;
    const anonymous = !actor || actor.kind === 'visitor';
    const common = this.commonTo(tenant, limit, anonymous);
    const own = anonymous ? undefined : ownOf(tenant, actor);
    return own ? [...common, own] : common;
  }

  private commonTo(tenant: Tenant, limit: string | undefined, anonymous: boolean): readonly TenantLimitPolicy[] {
    let lists = this.known.get(tenant);
    if (!lists) this.known.set(tenant, (lists = new Map<string, readonly TenantLimitPolicy[]>()));
    const which = `${anonymous ? 'visitor' : 'user'}|${limit ?? ''}`;
    let list = lists.get(which);
    if (!list) lists.set(which, (list = [...named(tenant, limit), ...ofPlan(tenant, anonymous)]));
    return list;
  }
}

function named(tenant: Tenant, name: string | undefined): TenantLimitPolicy[] {
  const limit = name === undefined ? undefined : declared.get(name);
  if (!limit) return [];
  const quota = settingOf(tenant, limit.setting);
  if (quota === undefined) return [];
  const windowMs = limit.windowSeconds * 1000;
  return [policy(tenant, limit.name, { label: lastPart(limit.setting.key), whose: 'this tenant', quota, windowMs })];
}

function ofPlan(tenant: Tenant, anonymous: boolean): TenantLimitPolicy[] {
  const quota = settingOf(tenant, REQUESTS_PER_HOUR);
  if (quota === undefined) return [];
  const label = lastPart(REQUESTS_PER_HOUR.key);
  const plan = policy(tenant, 'plan', { label, whose: 'this tenant', quota, windowMs: HOUR_MS });
  const reserved = settingOf(tenant, RESERVED_FOR_USERS);
  if (!anonymous || reserved === 0) return [plan];
  const share = Math.max(1, Math.floor((quota * (100 - reserved)) / 100));
  const whose = 'callers without an account';
  return [policy(tenant, 'visitors', { label: 'visitors', whose, quota: share, windowMs: HOUR_MS }), plan];
}

function ownOf(tenant: Tenant, { kind, id }: Actor): TenantLimitPolicy | undefined {
  if (kind !== 'user' && kind !== 'api-key') return undefined;
  const { name, setting, whose } = OWN[kind];
  const quota = settingOf(tenant, setting);
  if (quota === undefined) return undefined;
  const key = `${keyOf(tenant, name)}|${id ?? ''}`;
  return { key, name, label: lastPart(setting.key), whose, quota, windowMs: MINUTE_MS };
}

function ofAdmin({ id = '' }: Actor): TenantLimitPolicy {
  return {
    key: `{admin}:limit:admin|${id}`,
    name: 'admin',
    label: 'admin',
    whose: 'this platform admin',
    quota: ADMIN_PER_MINUTE,
    windowMs: MINUTE_MS,
  };
}

function policy(
  tenant: Tenant,
  name: string,
  rest: Pick<TenantLimitPolicy, 'label' | 'whose' | 'quota' | 'windowMs'>,
): TenantLimitPolicy {
  return { key: keyOf(tenant, name), name, ...rest };
}

function keyOf({ id }: Tenant, name: string): string {
  return `{t:${id}}:limit:${name}`;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}
