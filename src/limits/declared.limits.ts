import { Injectable } from '@nestjs/common';
import { type Setting, settingOf } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { type TenantLimitPolicy, TenantLimits } from './tenant-limit.guard.js';

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

@Injectable()
export class DeclaredTenantLimits extends TenantLimits {
  constructor(private readonly context: TenantContext) {
    super();
  }

  policyFor(name: string): TenantLimitPolicy | undefined {
    const limit = declared.get(name);
    const tenant = this.context.current();
    if (!limit || !tenant) return undefined;
    const quota = settingOf(tenant, limit.setting);
    if (quota === undefined) return undefined;
    return { name, quota, windowSeconds: limit.windowSeconds, setting: limit.setting.key, tracker: tenant.id };
  }
}
