import { Injectable } from '@nestjs/common';
import { ClsService } from 'nestjs-cls';
import { TenantScopeConflict } from './tenancy.errors.js';
import type { TenancyStore } from './tenancy.store.js';
import type { Tenant } from './tenant.js';

/** The only setter of the tenant scope. Every scope is a fresh store, so it ends however `fn` ends. */
@Injectable()
export class TenantRunner {
  constructor(private readonly cls: ClsService<TenancyStore>) {}

  /**
   * Runs `fn` in the scope of `tenant`.
   *
   * @throws TenantScopeConflict inside the scope of another tenant
   */
  run<T>(tenant: Tenant, fn: () => T): T {
    const outer = this.outer();
    const outerTenantId = outer?.tenant?.id ?? outer?.outerTenantId;
    if (outerTenantId !== undefined && outerTenantId !== tenant.id) throw new TenantScopeConflict();
    const unit = outer?.tenant?.id === tenant.id ? outer.unit : undefined;
    return this.enter({ ...this.carried(outer), tenant, unit }, fn);
  }

  /**
   * Runs `fn` outside every tenant, for control-plane work. Tenant-owned data stays out of reach.
   *
   * @param reason why, in a few words; kept in the scope for logs
   */
  runAsPlatform<T>(reason: string, fn: () => T): T {
    const outer = this.outer();
    const outerTenantId = outer?.tenant?.id ?? outer?.outerTenantId;
    return this.enter({ ...this.carried(outer), outerTenantId, platformReason: reason }, fn);
  }

  /** Opens the scope of a request; for the tenancy middleware. */
  runRequest<T>(store: TenancyStore, fn: () => T): T {
    return this.enter(store, fn);
  }

  /** Opens a unit of work inside the current scope; for TenantTransaction. */
  runUnit<T>(unit: TenancyStore['unit'], fn: () => T): T {
    return this.enter({ ...(this.outer() ?? {}), unit }, fn);
  }

  private enter<T>(store: TenancyStore, fn: () => T): T {
    return this.cls.runWith(store, fn);
  }

  private outer(): TenancyStore | undefined {
    return this.cls.isActive() ? this.cls.get<TenancyStore>() : undefined;
  }

  private carried(outer: TenancyStore | undefined): TenancyStore {
    return outer ? { requestId: outer.requestId, resolution: outer.resolution } : {};
  }
}
