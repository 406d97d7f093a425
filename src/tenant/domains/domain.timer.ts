import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { DomainChecks } from './domain.checks.js';

const EVERY_MS = 60 * 60 * 1000;

/** Has the domains that are due looked at, every hour. */
@Injectable()
export class DomainTimer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('DomainChecks');
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly checks: DomainChecks,
    @Inject(ENV) private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    if (this.env.role === 'api') return;
    this.timer = setInterval(() => this.start(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.running;
  }

  private start(): void {
    this.running = this.checks
      .runDue(this.stopping.signal)
      .then((report) => this.logger.log({ ...report }, 'Domains were looked at'))
      .catch((error: unknown) => this.logger.error({ err: error }, 'Domains could not be looked at'));
  }
}
