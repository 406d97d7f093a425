import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Inject,
  Injectable,
  Module,
  Global,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { TenantDataSource } from '../tenancy/index.js';

/** Prometheus metrics on a port of their own. No label can grow without bound: routes are patterns, never paths. */
@Injectable()
export class MetricsService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly registry = new Registry();
  private readonly requests = new Counter({
    name: 'tenantry_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'] as const,
    registers: [this.registry],
  });
  private readonly durations = new Histogram({
    name: 'tenantry_http_request_duration_seconds',
    help: 'Time from request to answer.',
    labelNames: ['method', 'route'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  /** Looked up by one key: prom-client hashes an object of labels at every observation. As bounded as the labels. */
  private readonly series = new Map<string, { count: Counter.Internal; time: Histogram.Internal<string> }>();
  private server: Server | undefined;

  constructor(
    @Inject(ENV) private readonly env: Env,
    tenants: TenantDataSource,
  ) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'tenantry_db_pool_connections',
      help: 'Connections for tenant work, by state.',
      labelNames: ['state'] as const,
      registers: [this.registry],
      collect() {
        const { idle, total, waiting } = tenants.connections.counts();
        this.set({ state: 'idle' }, idle);
        this.set({ state: 'total' }, total);
        this.set({ state: 'waiting' }, waiting);
      },
    });
  }

  /** @param seconds duration @param route the pattern that matched, or undefined for none */
  observe(method: string, route: string | undefined, status: number, seconds: number): void {
    const known = KNOWN_METHODS.has(method) ? method : 'OTHER';
    const pattern = route ?? 'unmatched';
    const key = `${known} ${status} ${pattern}`;
    let series = this.series.get(key);
    if (!series) {
      const labels = { method: known, route: pattern };
      series = {
        count: this.requests.labels({ ...labels, status: String(status) }),
        time: this.durations.labels(labels),
      };
      this.series.set(key, series);
    }
    series.count.inc();
    series.time.observe(seconds);
  }

  get port(): number | undefined {
    return (this.server?.address() as AddressInfo | null)?.port;
  }

  /** Answers with all metrics as text. */
  answer(response: ServerResponse): void {
    this.registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': this.registry.contentType }).end(text),
      () => response.writeHead(503).end(),
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    // A worker has no API that they would have to be kept apart from: they are on its PORT.
    if (this.env.role === 'worker' || this.env.role === 'command') return;
    this.server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      this.answer(response);
    });
    const server = this.server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.env.metricsPort, this.env.host, resolve);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    const server = this.server;
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  }
}

const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

@Global()
@Module({ providers: [MetricsService], exports: [MetricsService] })
export class MetricsModule {}
