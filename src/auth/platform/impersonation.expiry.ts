import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import { TenantDirectory, TenantRunner } from '../../tenancy/index.js';
import { ImpersonationService } from './impersonation.service.js';
import { ImpersonationStore } from './impersonation.store.js';

const EVERY_MS = 60_000;

/** Notes of every impersonation that it ran out, once, in both logs. It ended by itself before; this only says so. */
@Injectable()
export class ImpersonationExpiry implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Impersonation');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly store: ImpersonationStore,
    private readonly service: ImpersonationService,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    @Inject(ENV) private readonly env: Env,
  ) {}

  onApplicationBootstrap(): void {
    if (!worksInBackground(this.env)) return;
    this.timer = setInterval(() => {
      this.running ??= this.noteAll().finally(() => (this.running = undefined));
    }, EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping = true;
    await this.running;
  }

  /** One that cannot be noted stands in the way of no other. Never fails. */
  async noteAll(): Promise<void> {
    const failed: string[] = [];
    const noteNext = (): Promise<boolean> =>
      this.store.transaction(async (manager) => {
        const row = await this.store.expireNext(failed, manager);
        if (!row) return false;
        try {
          const tenant = await this.directory.findById(row.tenant_id, manager);
          if (tenant) await this.service.record('impersonation.expired', row, tenant, manager);
        } catch (error) {
          failed.push(row.id);
          throw error;
        }
        return true;
      });
    for (let more = true; more && !this.stopping;) {
      const before = failed.length;
      more = await this.runner.runAsPlatform('impersonation', noteNext).catch((error: unknown) => {
        this.logger.error({ err: error }, 'The end of an impersonation could not be noted');
        return failed.length > before;
      });
    }
  }
}
