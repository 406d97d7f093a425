import { Injectable, type OnModuleInit } from '@nestjs/common';
import { TenantAuditEvent } from '../../audit/index.js';
import { IdempotencyKey } from '../../idempotency/index.js';
import { OutboxEvent } from '../../outbox/index.js';
import { type Tenant, TenantDirectory, TenantRunner } from '../../tenancy/index.js';
import { ProvisioningMark } from '../provisioning/provisioning-mark.entity.js';
import { SentNotice } from '../retirement/sent-notice.entity.js';
import { ProvisioningMarks } from '../provisioning/provisioning.marks.js';
import { ProvisioningFailure, ProvisioningInterrupted, type StepRun } from '../provisioning/provisioning.step.js';
import { CopyIds } from './copy.ids.js';
import { type EntityCopy, TenantCopies } from './tenant.copies.js';

/** What a bookmark says when everything is copied. */
const END = 'end';

/**
 * Copies a tenant's data into another, a page at a time: read in the scope of the one, then written in the scope of the
 * other, since no scope sees two tenants. Each page is committed with a bookmark, so that a copy goes on where it was.
 */
@Injectable()
export class DataCopier implements OnModuleInit {
  constructor(
    private readonly copies: TenantCopies,
    private readonly marks: ProvisioningMarks,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  onModuleInit(): void {
    this.copies.leaveOut([
      [TenantAuditEvent, 'says what was done in the source; the copy begins a log of its own'],
      [IdempotencyKey, 'answers of the source to its clients, which may hold credentials'],
      [OutboxEvent, 'would be done a second time'],
      [ProvisioningMark, 'says how far the tenant itself is'],
      [SentNotice, 'says what the owners of the source were told'],
    ]);
  }

  /**
   * May be repeated, and by two processes at once, until it comes to its end. What the source gets meanwhile is copied
   * or not, but never half: a row whose parent came too late stays behind with it.
   *
   * @throws ProvisioningFailure when the source is out of service; ProvisioningInterrupted; LeaseLost
   */
  async copy(sourceId: string, run: StepRun): Promise<void> {
    const ids = new CopyIds(run.tenant.id);
    for (const copy of this.copies.ordered()) {
      const name = `copy:${copy.entity.name}`;
      while (await this.page(copy, name, await this.source(sourceId), run, ids)) {
        if (run.signal.aborted) throw new ProvisioningInterrupted();
      }
    }
  }

  /** A suspended source has its data still; one that is archived may lose it at any moment. @throws ProvisioningFailure */
  async source(sourceId: string): Promise<Tenant> {
    const source = await this.tenants.findById(sourceId);
    if (source?.status === 'active' || source?.status === 'suspended') return source;
    throw new ProvisioningFailure('the source of the copy is no longer in service', true);
  }

  /** @returns whether there may be more */
  private async page(
    copy: EntityCopy<unknown>,
    name: string,
    source: Tenant,
    run: StepRun,
    ids: CopyIds,
  ): Promise<boolean> {
    const from = await this.marks.bookmark(run.tenant, name);
    if (from === END) return false;
    const { rows, next } = await this.runner.run(source, () => copy.read(from));
    // Another process may have written this page meanwhile; then the next turn goes on from its bookmark.
    await this.marks.advance(run, name, from, next ?? END, () => copy.write(rows, ids));
    return true;
  }
}
