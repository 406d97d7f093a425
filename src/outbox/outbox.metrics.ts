import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { MetricsService } from '../metrics/index.js';
import { OutboxTables } from './outbox.tables.js';

/** However often it is scraped, the table is counted no more often than this, in ms. */
const FRESH_MS = 10_000;

/** How much waits in the outbox of the shared tables. Those of tenants' own are too many to be counted each time. */
@Injectable()
export class OutboxMetrics {
  private counted = { at: -Infinity, pending: 0, dead: 0 };

  constructor(
    metrics: MetricsService,
    private readonly tables: OutboxTables,
  ) {
    const count = (): Promise<{ pending: number; dead: number }> => this.measure();
    new Gauge({
      name: 'tenantry_outbox_events',
      help: 'Outbox events in the shared tables: pending, dead.',
      labelNames: ['state'] as const,
      registers: [metrics.registry],
      async collect() {
        const { pending, dead } = await count();
        this.set({ state: 'pending' }, pending);
        this.set({ state: 'dead' }, dead);
      },
    });
  }

  private async measure(): Promise<{ pending: number; dead: number }> {
    if (performance.now() - this.counted.at >= FRESH_MS) {
      this.counted = { at: performance.now(), ...(await this.tables.shared.counts()) };
    }
    return this.counted;
  }
}
