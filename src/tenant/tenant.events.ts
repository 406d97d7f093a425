import { Injectable } from '@nestjs/common';
import { IsObject, IsOptional, IsString, IsUUID } from 'class-validator';
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

  /** Who did it: `platform-admin`, or `system` for rules and provisioning. */
  @IsString()
  actor_kind: string;
}

export type TenantEventHandler = (event: TenantEvent, run: JobRun) => Promise<void>;

/** What happens to tenants, told to whoever wants to know: after the commit, at least once, in no promised order. */
@Injectable()
export class TenantEvents {
  private readonly handlers = new Map<string, TenantEventHandler[]>();

  constructor(
    private readonly jobs: PlatformJobs,
    private readonly context: TenantContext,
  ) {}

  /** @param handler may be called more than once for the same event, each time with the same `run.id` */
  on(event: string, handler: TenantEventHandler): void {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), handler]);
  }

  /** @param manager of the transaction of the change itself: rolled back, nobody hears of it */
  async raise(manager: EntityManager, event: Omit<TenantEvent, 'actor_kind'>): Promise<void> {
    const payload = { ...event, actor_kind: this.context.actor()?.kind ?? 'system' };
    await this.jobs.enqueue('tenant.event', payload, { manager });
  }

  @PlatformJobHandler({ name: 'tenant.event', payload: TenantEvent, concurrency: 8 })
  async handle(event: TenantEvent, run: JobRun): Promise<void> {
    for (const handler of this.handlers.get(event.event) ?? []) await handler(event, run);
  }
}
