import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../audit/index.js';
import { afterCommit, ChangeFeed } from '../changes/index.js';
import { announce, CHANNEL } from './tenant.channel.js';
import { TenantEvents, type TenantsImported } from './tenant.events.js';
import type { TenantRecord } from './tenant.record.js';

export interface TenantChange {
  /** `tenant.suspended` and so on. */
  event: string;
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
  reason?: string;
  details?: unknown;
}

/** Slugs that the log and the event of an import name. */
const MAX_NAMED = 100;

/** The one way in which a change of a tenant is made known: audited, raised as an event, and told to every process. */
@Injectable()
export class TenantChanges {
  constructor(
    private readonly audit: PlatformAudit,
    private readonly events: TenantEvents,
    private readonly feed: ChangeFeed,
  ) {}

  /**
   * @param manager of the transaction of the change
   * @param oldSlug when it has another now
   */
  async record(
    manager: EntityManager,
    { id, slug }: Pick<TenantRecord, 'id' | 'slug'>,
    { event, before, after, reason, details }: TenantChange,
    oldSlug = slug,
  ): Promise<void> {
    await this.audit.record(manager, {
      event,
      tenantId: id,
      target: { kind: 'tenant', id },
      ...(before && { before }),
      ...(after && { after }),
      ...(reason !== undefined && { reason }),
      ...(details !== undefined && { details }),
    });
    await this.events.raise(manager, {
      event,
      tenant_id: id,
      slug,
      ...(after && { after }),
      ...(reason !== undefined && { reason }),
    });
    await this.announce(manager, [...new Set([oldSlug, slug])]);
  }

  /**
   * The same for an import, at once for all that it changed.
   *
   * @param slugs of the tenants that it made or changed
   */
  async recordImport(
    manager: EntityManager,
    { created, updated }: Pick<TenantsImported, 'created' | 'updated'>,
    slugs: string[],
  ): Promise<void> {
    const details = { created, updated, slugs: slugs.slice(0, MAX_NAMED) };
    await this.audit.record(manager, { event: 'tenants.imported', details });
    await this.events.raiseImport(manager, details);
    await this.announce(manager, slugs);
  }

  /** This process does not wait until the news comes back: it knows when whoever made the change goes on. */
  private async announce(manager: EntityManager, slugs: string[]): Promise<void> {
    const told = await announce(manager, slugs);
    afterCommit(manager, () => this.feed.emit(CHANNEL, told));
  }
}
