import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MetricsService } from '../metrics/index.js';

/** What tenants wait for, each within a bound of its own. */
export type Queue = 'requests' | 'models';

/** How many are under way and waiting in a queue. */
export interface QueueCounts {
  running: number;
  long?: number;
  waiting: number;
}

/** Sums over all tenants: a label for each of them would grow without bound. */
@Injectable()
export class FairnessMetrics {
  private readonly refused: Counter<'queue'>;
  private readonly queues = new Map<Queue, () => QueueCounts>();

  constructor(metrics: MetricsService) {
    const { queues } = this;
    const registers = [metrics.registry];
    this.refused = new Counter({
      name: 'tenantry_tenant_busy_total',
      help: 'Refusals because a tenant had as much under way and waiting as it may.',
      labelNames: ['queue'] as const,
      registers,
    });
    new Gauge({
      name: 'tenantry_fair_queue',
      help: 'What is under way and what waits, of all tenants.',
      labelNames: ['queue', 'state'] as const,
      registers,
      collect() {
        for (const [queue, counts] of queues) {
          for (const [state, count] of Object.entries(counts())) this.set({ queue, state }, count as number);
        }
      },
    });
  }

  watch(queue: Queue, counts: () => QueueCounts): void {
    this.queues.set(queue, counts);
  }

  countRefusal(queue: Queue): void {
    this.refused.inc({ queue });
  }
}
