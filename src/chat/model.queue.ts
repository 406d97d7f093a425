import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { FairnessMetrics, FairSlots } from '../fairness/index.js';
import { shareOf, TenantBusy, TenantContext } from '../tenancy/index.js';

/** Calls of one tenant that may wait. */
const WAITERS_PER_TENANT = 64;

/** What calls of models wait in, each for its tenant's turn. */
@Injectable()
export class ModelQueue {
  private readonly slots: FairSlots;

  constructor(
    @Inject(ENV) env: Env,
    private readonly context: TenantContext,
    private readonly metrics: FairnessMetrics,
  ) {
    this.slots = new FairSlots(env.modelConcurrency, WAITERS_PER_TENANT);
    metrics.watch('models', () => this.slots.counts());
  }

  /**
   * Calls a model for the current tenant when its turn has come.
   *
   * @param signals any of which ends the wait
   * @throws TenantBusy when too many calls of the tenant wait; a signal's reason; what `call` throws
   */
  async run<T>(call: () => Promise<T>, ...signals: AbortSignal[]): Promise<T> {
    try {
      return await this.slots.run(shareOf(this.context.currentOrThrow('A call of a model')), call, ...signals);
    } catch (error) {
      if (error instanceof TenantBusy) this.metrics.countRefusal('models');
      throw error;
    }
  }
}
