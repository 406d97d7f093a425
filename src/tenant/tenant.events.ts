import { Injectable } from '@nestjs/common';
import { IsArray, IsInt, IsObject, IsOptional, IsString, IsUUID } from 'class-validator';
import type { EntityManager } from 'typeorm';
import { type JobRun, PlatformJobHandler, PlatformJobs } from '../jobs/index.js';
import { TenantContext } from '../tenancy/index.js';

/** Something that happened to a tenant: `tenant.created`, `tenant.suspended`, and so on. */
export class TenantEvent {
  @IsString()
  event: string;

  @IsUUID()
  tenant_id: string;

  @IsString()
  slug: string;

  /** What of the tenant changed, to what. */
  @IsOptional()
  @IsObject()
  after?: Record<string, unknown>;

  @IsOptional()
  @IsString()
  reason?: string;

  /** Who did it: `platform-admin`, `operator` at the command line, or `system` for rules and provisioning. */
  @IsString()
  actor_kind: string;
}

/** Tenants that came from a file: one event for all of them, which raises none for each. */
export class TenantsImported {
  @IsInt()
  created: number;

  @IsInt()
  updated: number;

  /** The first of them; what became of the others is in the registry. */
  @IsArray()
  @IsString({ each: true })
  slugs: string[];

  /** As of a {@link TenantEvent}. */
  @IsString()
  actor_kind: string;
}

/** Is told of an event; it may come again, with the same `run.id`. */
export type TenantEventHandler = (event: TenantEvent, run: JobRun) => Promise<void>;
export type TenantsImportedHandler = (imported: TenantsImported, run: JobRun) => Promise<void>;

/** What happens to tenants, told to whoever wants to know: after the commit, at least once, in no promised order. */
@Injectable()
export class TenantEvents {
  private readonly handlers = new Map<string, TenantEventHandler[]>();
  private readonly importHandlers: TenantsImportedHandler[] = [];

  constructor(
    private readonly jobs: PlatformJobs,
    private readonly context: TenantContext,
  ) {}

  /** @param handler may be called more than once for the same event, each time with the same `run.id` */
  on(event: string, handler: TenantEventHandler): void {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), handler]);
  }

  /** @param handler as of `on`; whoever keeps something of each tenant looks at all of them then */
  onImport(handler: TenantsImportedHandler): void {
    this.importHandlers.push(handler);
  }

  /** @param manager of the transaction of the change itself: rolled back, nobody hears of it */
  async raise(manager: EntityManager, event: Omit<TenantEvent, 'actor_kind'>): Promise<void> {
    const payload = { ...event, actor_kind: this.actorKind() };
    await this.jobs.enqueue('tenant.event', payload, { manager, about: event.tenant_id });
  }

  /** The same for an import. */
  async raiseImport(manager: EntityManager, imported: Omit<TenantsImported, 'actor_kind'>): Promise<void> {
    await this.jobs.enqueue('tenants.imported', { ...imported, actor_kind: this.actorKind() }, { manager });
  }

  @PlatformJobHandler({ name: 'tenant.event', payload: TenantEvent, concurrency: 8 })
  async handle(event: TenantEvent, run: JobRun): Promise<void> {
    for (const handler of this.handlers.get(event.event) ?? []) await handler(event, run);
  }

  @PlatformJobHandler({ name: 'tenants.imported', payload: TenantsImported })
  async handleImport(imported: TenantsImported, run: JobRun): Promise<void> {
    for (const handler of this.importHandlers) await handler(imported, run);
  }

  /** Rules and provisioning act in nobody's name; a `system` that is somebody is a person at the command line. */
  private actorKind(): string {
    const actor = this.context.actor();
    return actor?.kind === 'system' ? 'operator' : (actor?.kind ?? 'system');
  }
}
