import { Injectable } from '@nestjs/common';
import type { JobWithMetadata } from 'pg-boss';
import { PlatformAudit } from '../audit/index.js';
import { NO_TENANT, type Tenant, TenantDirectory, TenantRunner } from '../tenancy/index.js';
import type { JobRun } from './job.decorators.js';
import { envelopeOf, type JobEnvelope, JobEnvelopes } from './job.envelope.js';
import { JobFailure } from './job.errors.js';
import { JobLanes, STEPS } from './job.lanes.js';
import { checkedPayload, type JobDefinition } from './job.registry.js';
import { type Hold, JobStore } from './job.store.js';

export type Outcome = 'done' | 'failed' | 'dead' | 'postponed' | 'dropped' | 'returned' | 'lost';

/** How long jobs of a suspended tenant wait before they are looked at again, in seconds. */
const POSTPONE_SECONDS = 300;

/** Runs one job that a worker holds, in the scope it belongs to, and settles it. */
@Injectable()
export class JobRunner {
  constructor(
    private readonly store: JobStore,
    private readonly envelopes: JobEnvelopes,
    private readonly lanes: JobLanes,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly audit: PlatformAudit,
  ) {}

  /** @throws whatever the handler throws, and JobFailure where the job is not fit to run; nothing is settled then */
  async run(definition: JobDefinition, job: JobWithMetadata, run: JobRun): Promise<Outcome> {
    const hold = holdOf(job);
    const envelope = this.envelope(definition, job);
    if (definition.scope === 'platform') {
      const payload = envelope && (await this.payload(definition, job, envelope));
      await this.runner.runAsPlatform(`job ${definition.name}`, () => definition.handle(payload, run));
    } else {
      const tenant = await this.tenantOf(envelope, job);
      if (tenant.status === 'deleted') return this.drop(hold, tenant);
      if (tenant.status !== 'active' && tenant.status !== 'provisioning') {
        await this.store.postpone(hold, tenant.id, POSTPONE_SECONDS);
        return 'postponed';
      }
      const payload = await this.payload(definition, job, envelope!);
      await this.runner.run(tenant, () => definition.handle(payload, run));
    }
    await this.store.done(hold, definition.onceInSeconds);
    return 'done';
  }

  /**
   * Settles a failure. The next attempt takes the next place in the tenant's lane: failing jobs do not get ahead of others'
   * new ones. What the worker does not hold any more was taken away, or erased with its tenant: that leaves nothing.
   */
  async fail(job: JobWithMetadata, reason: string, permanent: boolean): Promise<Outcome> {
    if (!(await this.store.beat([holdOf(job)])).has(job.id)) return 'lost';
    const dead = permanent || job.retryCount >= job.retryLimit;
    const tenantId = envelopeOf(job.data)?.tenant_id;
    const places = dead || !tenantId ? undefined : await this.lanes.next(job.name, [tenantId], STEPS.normal);
    await this.store.failed(holdOf(job), reason, dead, places?.get(tenantId!) ?? job.priority);
    return dead ? 'dead' : 'failed';
  }

  /** What the engine's own schedule makes has no envelope; nothing else may come without. */
  private envelope(definition: JobDefinition, job: JobWithMetadata): JobEnvelope | undefined {
    const envelope = envelopeOf(job.data);
    if (!envelope && !definition.exclusive) throw new JobFailure('the job has no envelope', true);
    if (definition.scope === 'platform' && envelope?.tenant_id !== undefined) {
      throw new JobFailure('a job of the platform names a tenant', true);
    }
    return envelope;
  }

  private async tenantOf(envelope: JobEnvelope | undefined, job: JobWithMetadata): Promise<Tenant> {
    const id = envelope?.tenant_id;
    if (id === undefined || id === NO_TENANT) throw new JobFailure('the job names no tenant', true);
    if (job.groupId !== id) throw new JobFailure('the job names two tenants', true);
    const tenant = await this.tenants.findById(id);
    if (!tenant) throw new JobFailure('the tenant is unknown', true);
    return tenant;
  }

  private async payload(definition: JobDefinition, job: JobWithMetadata, envelope: JobEnvelope): Promise<unknown> {
    const payload = this.envelopes.open(envelope.tenant_id, job.name, job.id, envelope);
    try {
      return await checkedPayload(definition, payload);
    } catch (error) {
      throw new JobFailure('the payload is not what the handler declares', true, { cause: error });
    }
  }

  private async drop(hold: Hold, tenant: Tenant): Promise<Outcome> {
    const jobs = await this.store.drop(hold, tenant.id);
    await this.runner.runAsPlatform('jobs of a tenant that is gone', () =>
      this.audit.record(undefined, {
        event: 'job.dropped',
        tenantId: tenant.id,
        target: { kind: 'job', id: hold.id },
        details: { name: hold.name, jobs, tenant_status: tenant.status },
      }),
    );
    return 'dropped';
  }
}

export function holdOf(job: JobWithMetadata): Hold {
  return { name: job.name, id: job.id, retryCount: job.retryCount };
}
