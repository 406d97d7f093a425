import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MetricsService } from '../metrics/index.js';
import { JobEngine } from './job.engine.js';
import { JobRegistry } from './job.registry.js';
import type { Outcome } from './job.runner.js';

/** However often it is scraped, the tables are counted no more often than this, in ms. */
const FRESH_MS = 10_000;

interface Count {
  name: string;
  queued: number;
  running: number;
  dead: number;
  oldest: number;
}

/** Jobs by name. Names are those declared, so the label is bounded. */
@Injectable()
export class JobMetrics {
  private readonly runs: Counter<'job' | 'outcome'>;
  private counted = { at: -Infinity, rows: [] as Count[] };

  constructor(
    metrics: MetricsService,
    private readonly engine: JobEngine,
    private readonly registry: JobRegistry,
  ) {
    const registers = [metrics.registry];
    this.runs = new Counter({
      name: 'tenantry_job_runs_total',
      help: 'Jobs that ended here, by outcome.',
      labelNames: ['job', 'outcome'],
      registers,
    });
    const count = (): Promise<Count[]> => this.measure();
    new Gauge({
      name: 'tenantry_jobs',
      help: 'Jobs of all processes: queued, running, dead.',
      labelNames: ['job', 'state'] as const,
      registers,
      async collect() {
        for (const { name, queued, running, dead } of await count()) {
          this.set({ job: name, state: 'queued' }, queued);
          this.set({ job: name, state: 'running' }, running);
          this.set({ job: name, state: 'dead' }, dead);
        }
      },
    });
    new Gauge({
      name: 'tenantry_job_oldest_seconds',
      help: 'For how long the oldest job that is due has waited.',
      labelNames: ['job'] as const,
      registers,
      async collect() {
        for (const { name, oldest } of await count()) this.set({ job: name }, oldest);
      },
    });
  }

  count(job: string, outcome: Outcome): void {
    this.runs.inc({ job, outcome });
  }

  private async measure(): Promise<Count[]> {
    if (performance.now() - this.counted.at < FRESH_MS) return this.counted.rows;
    const rows = await this.engine.query<Count>(
      `SELECT n.name, count(j.id) FILTER (WHERE j.state < 'active')::int AS queued,
              count(j.id) FILTER (WHERE j.state = 'active')::int AS running,
              count(j.id) FILTER (WHERE j.state = 'failed')::int AS dead,
              coalesce(extract(epoch FROM now() - min(greatest(j.created_on, j.start_after))
                FILTER (WHERE j.state < 'active' AND j.start_after <= now())), 0)::float8 AS oldest
         FROM unnest($1::text[]) AS n (name) LEFT JOIN jobs.job j ON j.name = n.name GROUP BY n.name`,
      [this.registry.all().map(({ name }) => name)],
    );
    this.counted = { at: performance.now(), rows };
    return rows;
  }
}
