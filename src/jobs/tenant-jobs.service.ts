import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Outbox, type OutboxDelivery, OutboxFailure, OutboxHandlers } from '../outbox/index.js';
import { TenantContext } from '../tenancy/index.js';
import { JobAdder } from './job.adder.js';
import { type JobPriority, JobLanes, STEPS } from './job.lanes.js';
import { checkedPayload, JobRegistry } from './job.registry.js';
import { JobWorker } from './job.worker.js';

/** How one job is put into the queue. */
export interface EnqueueOptions {
  /** Of two jobs of a tenant with the same name and key, the second does not run; see `onceInSeconds`. */
  key?: string;
  /** Not before. */
  startAfter?: Date;
  /** Among tenants that compete: `high` gets twice the share of `normal`, `low` a quarter of it. */
  priority?: JobPriority;
}

const TYPE = 'job.enqueue';
const MAX_KEY = 200;

interface Enqueued {
  job: string;
  payload: unknown;
  key?: string;
  priority: JobPriority;
}

/** Work of a tenant that is to be done after the current transaction has committed, and only then. */
@Injectable()
export class TenantJobs implements OnModuleInit {
  constructor(
    private readonly outbox: Outbox,
    private readonly handlers: OutboxHandlers,
    private readonly context: TenantContext,
    private readonly registry: JobRegistry,
    private readonly lanes: JobLanes,
    private readonly adder: JobAdder,
    private readonly worker: JobWorker,
  ) {}

  onModuleInit(): void {
    this.handlers.register(TYPE, (delivery) => this.move(delivery));
  }

  /**
   * Adds a job to the current unit of work, or stores it alone. It runs at least once, in no promised order.
   *
   * @param job the name that a `@TenantJobHandler` declares
   * @param payload what that handler declares, at most 256 KiB as JSON; kept under seal
   * @throws TenantContextMissing outside a tenant scope
   * @throws UnknownJob, JobPayloadInvalid
   */
  async enqueue(job: string, payload?: object, options: EnqueueOptions = {}): Promise<void> {
    this.context.currentOrThrow('A job');
    const definition = this.registry.get(job, 'tenant');
    const checked = await checkedPayload(definition, payload);
    const key = options.key ?? (checked === undefined ? undefined : definition.idempotencyKey?.(checked));
    if (key !== undefined && (key === '' || key.length > MAX_KEY))
      throw new RangeError('A key has 1 to 200 characters.');
    const event: Enqueued = { job, payload: payload ?? null, key, priority: options.priority ?? 'normal' };
    await this.outbox.add(TYPE, event, { dueAt: options.startAfter });
  }

  /** From the tenant's outbox to the engine, in the tenant's scope; again after a crash, which the id makes harmless. */
  private async move({ id, payload }: OutboxDelivery): Promise<void> {
    const tenant = this.context.currentOrThrow('A job');
    const { job, payload: content, key, priority } = payload as Enqueued;
    // An older process may hold the outbox during a roll-out: the attempt fails, and one that knows the job gets it.
    if (this.registry.find(job)?.scope !== 'tenant') throw new OutboxFailure('nobody here knows the job');
    const places = await this.lanes.next(job, [tenant.id], STEPS[priority]);
    await this.adder.add({
      name: job,
      tenantId: tenant.id,
      event: id,
      key,
      payload: content,
      priority: places.get(tenant.id),
    });
    this.worker.wake();
  }
}
