import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { MetricsService } from '../metrics/index.js';

@Injectable()
export class MailMetrics {
  readonly held: Counter;

  constructor(metrics: MetricsService) {
    this.held = new Counter({
      name: 'tenantry_mails_held_total',
      help: 'Mails of sandboxes and training tenants that were sent to nobody.',
      registers: [metrics.registry],
    });
  }
}
