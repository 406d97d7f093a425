import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import { ClsService } from 'nestjs-cls';
import type { Actor } from './actor.js';
import { TenantContextMissing, TenantScopeConflict } from './tenancy.errors.js';
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

  /**
   * Names who acts, for the rest of the current scope and those opened in it; for the guard.
   *
   * @throws TenantContextMissing outside every scope
   */
  identify(actor: Actor): void {
    const store = this.outer();
    if (!store) throw new TenantContextMissing('An actor');
    store.actor = actor;
  }

  /** Gives up a tenant that nothing but a credential named: where the platform is at home, the credential is no address. */
  disown(): void {
    const store = this.outer();
    if (!store || !('byCredential' in (store.resolution ?? {}))) return;
    store.resolution = { kind: 'none' };
    delete store.tenant;
  }

  /**
   * Ties `fn` to the current scope. For what others call later: a stream's reads come in the context of whoever drains
   * it, on a kept-alive connection even in that of another tenant's request.
   */
  bind<A extends unknown[], T>(fn: (...args: A) => T): (...args: A) => T {
    return AsyncLocalStorage.bind(fn);
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
    if (!outer) return {};
    const { requestId, resolution, address, actor } = outer;
    return { requestId, resolution, address, actor };
  }
}
