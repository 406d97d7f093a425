import { createHash } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MetricsService } from '../metrics/index.js';
import { type Setting, settingOf } from '../settings/index.js';
import { type Tenant, TenantContext, TenantDirectory, TenantTransaction } from '../tenancy/index.js';
import { type ResourceHealth, ResourcePool } from './resource.pool.js';
import { ResourceUnavailable, UnknownResource } from './resources.errors.js';

const MAX = 100;
/** How long a resource is kept that nobody uses, in ms. */
const IDLE_MS = 600_000;
const SWEEP_MS = 60_000;
/** How long one that was replaced is left to its running uses, in ms: longer than any of them takes. */
const DRAIN_MS = 120_000;
/** How long an admin waits for a check, beyond the making, in ms. */
const CHECK_MS = 10_000;
/** How long a shutdown waits for uses, in ms. */
const CLOSE_MS = 10_000;

/** How a thing of a tenant is made, and made anew. */
export interface ResourceDeclaration<T> {
  /** snake_case, for admins and metrics: `mail_server`. */
  name: string;
  /** Those that it is made of: when one of them changes, the next use gets a new one. */
  settings: readonly Setting<unknown>[];
  /** Called in the scope of the tenant. @param signal aborted after 10 s, when whoever waits is told that it failed */
  make: (tenant: Tenant, signal: AbortSignal) => Promise<T> | T;
  /** Called once for each that was made, after its last use. */
  dispose: (resource: T) => Promise<void> | void;
  /**
   * What an admin may read of an error in a use that is the resource's fault, such as a peer that does not answer, without
   * secrets and what the peer said; undefined: somebody else's. Errors that are AppErrors tell it themselves where this
   * says nothing of them while one is made.
   */
  reasonOf?: (error: unknown) => string | undefined;
  /** Whether the tenant has set it up; left out: every tenant has one. */
  isSetUp?: (tenant: Tenant) => boolean;
  /** Tries one out for an admin, beyond making it. @param signal aborted after 10 s */
  check?: (resource: T, signal: AbortSignal) => Promise<unknown>;
  /** Tenants that have one at a time in this process; default 100. */
  max?: number;
}

/** A thing of each tenant's own that is made on demand of its settings, and shared by its uses. */
export interface TenantResource<T> {
  /**
   * Runs `fn` with the current tenant's one. It is not disposed of while `fn` runs, and must not be kept beyond.
   *
   * @throws TenantContextMissing, ResourceUnavailable, and what `fn` throws
   */
  use<R>(fn: (resource: T) => Promise<R> | R): Promise<R>;
}

interface Declared {
  pool: ResourcePool<unknown>;
  fingerprintOf: (tenant: Tenant) => string;
  isSetUp: (tenant: Tenant) => boolean;
  check: () => Promise<void>;
  settings: readonly Setting<unknown>[];
}

export interface ResourceReport extends ResourceHealth {
  /** Keys of those that it is made of. */
  settings: string[];
}

/** Every declared resource, and how those of a tenant are. */
@Injectable()
export class TenantResources implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Resources');
  private readonly declared = new Map<string, Declared>();
  /** By tenant and resource. */
  private readonly checks = new Map<string, Promise<void>>();
  private readonly sweep = setInterval(() => this.retireIdle(), SWEEP_MS).unref();

  constructor(
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly directory: TenantDirectory,
    metrics: MetricsService,
  ) {
    const { declared } = this;
    new Gauge({
      name: 'tenantry_tenant_resources',
      help: 'Things of tenants that are held, by resource.',
      labelNames: ['resource'] as const,
      registers: [metrics.registry],
      collect() {
        for (const [resource, { pool }] of declared) this.set({ resource }, pool.count);
      },
    });
    new Counter({
      name: 'tenantry_tenant_resource_failures_total',
      help: 'Failures to make or use things of tenants, by resource.',
      labelNames: ['resource'] as const,
      registers: [metrics.registry],
      collect() {
        this.reset();
        for (const [resource, { pool }] of declared) this.inc({ resource }, pool.failures);
      },
    });
  }

  onModuleInit(): void {
    this.directory.onChange(() => {
      void this.recheck().catch((error: unknown) =>
        this.logger.warn({ err: error }, 'Resources of changed tenants stay until their next use'),
      );
    });
  }

  /** @throws Error when the name is taken */
  declare<T>(declaration: ResourceDeclaration<T>): TenantResource<T> {
    const { name, settings, make, dispose, max = MAX } = declaration;
    if (this.declared.has(name)) throw new Error(`The resource ${name} is declared twice.`);
    const reasonOf = declaration.reasonOf ?? (() => undefined);
    const pool = new ResourcePool<T>({ name, max, drainMs: DRAIN_MS, dispose, reasonOf });
    const fingerprintOf = (tenant: Tenant): string => fingerprint(tenant, settings);
    const resource: TenantResource<T> = {
      use: async (fn) => {
        const tenant = this.context.currentOrThrow(`The resource ${name}`);
        this.transaction.assertNone(`The resource ${name}`);
        const wanted = {
          id: tenant.id,
          fingerprint: fingerprintOf(tenant),
          make: (signal: AbortSignal) => make(tenant, signal),
        };
        return pool.use(wanted, fn);
      },
    };
    const check = async (): Promise<void> => {
      try {
        await resource.use((held) => declaration.check?.(held, AbortSignal.timeout(CHECK_MS)));
      } catch (error) {
        // Its health tells.
        if (!(error instanceof ResourceUnavailable) && reasonOf(error) === undefined) throw error;
      }
    };
    const isSetUp = declaration.isSetUp ?? (() => true);
    this.declared.set(name, { pool: pool as ResourcePool<unknown>, fingerprintOf, isSetUp, check, settings });
    return resource;
  }

  /** Of every resource, as this process knows it with the tenant's present settings. */
  healthOf(tenant: Tenant): ResourceReport[] {
    return [...this.declared.values()].map((declared) => reportOf(tenant, declared));
  }

  /**
   * Makes and tries out a resource of the current tenant, for an admin who wants to know whether its settings do. What has
   * just failed with the same settings is not tried again at once.
   *
   * @throws TenantContextMissing, UnknownResource
   */
  async check(name: string): Promise<ResourceReport> {
    const tenant = this.context.currentOrThrow(`The resource ${name}`);
    const declared = this.declared.get(name);
    if (!declared) throw new UnknownResource(name);
    if (declared.isSetUp(tenant)) await this.checkOnce(`${tenant.id} ${name}`, declared);
    return reportOf(tenant, declared);
  }

  /** One at a time, so that asking often costs no more. */
  private checkOnce(key: string, { check }: Declared): Promise<void> {
    const running = this.checks.get(key);
    if (running) return running;
    const started = check().finally(() => this.checks.delete(key));
    this.checks.set(key, started);
    return started;
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.sweep);
    const closed = Promise.all([...this.declared.values()].map(({ pool }) => pool.close()));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MS);
    await Promise.race([closed, late]).finally(() => clearTimeout(timer));
  }

  /** Whatever is held must be of an active tenant and of its present settings. */
  private async recheck(): Promise<void> {
    const ids = new Set([...this.declared.values()].flatMap(({ pool }) => pool.ids));
    for (const id of ids) {
      const tenant = await this.directory.findById(id);
      for (const { pool, fingerprintOf } of this.declared.values()) {
        if (tenant?.status === 'active') pool.retire(id, fingerprintOf(tenant));
        else pool.forget(id);
      }
    }
  }

  private retireIdle(): void {
    for (const { pool } of this.declared.values()) pool.retireIdle(Date.now() - IDLE_MS);
  }
}

/** Of the values in force. A hash, so that secrets among them are held nowhere else. */
function fingerprint(tenant: Tenant, settings: readonly Setting<unknown>[]): string {
  const values = settings.map((setting) => settingOf(tenant, setting));
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url');
}

function reportOf(tenant: Tenant, { pool, fingerprintOf, isSetUp, settings }: Declared): ResourceReport {
  const health = pool.healthOf(tenant.id, fingerprintOf(tenant));
  const keys = settings.map(({ key }) => key);
  if (isSetUp(tenant)) return { ...health, settings: keys };
  return { ...health, state: 'not_set_up', failingSince: null, lastError: null, settings: keys };
}
