import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { CONCURRENT_REQUESTS, FairnessMetrics, FairSlots } from '../fairness/index.js';
import { settingOf } from '../settings/index.js';
import { shareOf, type Tenant, TenantBusy, TenantContext } from '../tenancy/index.js';

/** Of `limits.concurrent_requests`, for calls that run and wait: the rest is left to those who do not chat. */
const MOST = 3 / 4;
/** How long a call waits for its turn, in ms. */
const WAIT_MS = 30_000;

/**
 * What calls of models wait in, each for its tenant's turn. A server of the tenant's own is nobody else's: its calls do not
 * wait, so that one that hangs holds up no other tenant.
 */
@Injectable()
export class ModelQueue {
  private readonly slots: FairSlots;
  private readonly calls = new Map<string, number>();

  constructor(
    @Inject(ENV) env: Env,
    private readonly context: TenantContext,
    private readonly metrics: FairnessMetrics,
  ) {
    // How many of one tenant wait is bounded here.
    this.slots = new FairSlots(env.modelConcurrency, Infinity);
    metrics.watch('models', () => this.slots.counts());
  }

  /**
   * Calls a model for the current tenant when its turn has come.
   *
   * @param own whether it is at a server of the tenant's own
   * @param gone ends the wait
   * @throws TenantBusy when too many calls of the tenant are under way, or its turn has not come for too long; the reason of
   *   `gone`; what `call` throws
   */
  async run<T>(call: () => Promise<T>, own: boolean, gone: AbortSignal): Promise<T> {
    const tenant = this.context.currentOrThrow('A call of a model');
    const under = this.calls.get(tenant.id) ?? 0;
    if (under >= mostOf(tenant)) throw this.refusal();
    this.calls.set(tenant.id, under + 1);
    try {
      return await (own ? call() : this.inTurn(tenant, call, gone));
    } finally {
      const left = (this.calls.get(tenant.id) ?? 1) - 1;
      if (left > 0) this.calls.set(tenant.id, left);
      else this.calls.delete(tenant.id);
    }
  }

  private async inTurn<T>(tenant: Tenant, call: () => Promise<T>, gone: AbortSignal): Promise<T> {
    const late = AbortSignal.timeout(WAIT_MS);
    try {
      return await this.slots.run(shareOf(tenant), call, late, gone);
    } catch (error) {
      if (late.aborted && error === late.reason) throw this.refusal();
      throw error;
    }
  }

  private refusal(): TenantBusy {
    this.metrics.countRefusal('models');
    return new TenantBusy();
  }
}

function mostOf(tenant: Tenant): number {
  return Math.max(1, Math.ceil(settingOf(tenant, CONCURRENT_REQUESTS) * MOST));
}
