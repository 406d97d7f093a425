import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { LOWEST_ID } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { TenantDirectory } from '../tenancy/index.js';
import { CronRegister, type DeclaredCron } from './cron.register.js';
import type { JobRun } from './job.decorators.js';
import { JobEngine } from './job.engine.js';
import { idOfKey, JobEnvelopes } from './job.envelope.js';
import { JobLanes, STEPS } from './job.lanes.js';
import { JobRegistry } from './job.registry.js';
import { JobWorker } from './job.worker.js';

/** How often a process says which crons it declares, in ms. */
const DECLARE_MS = 60_000;
/** Tenants of which a cron's jobs are added in one statement. */
const PAGE = 1000;

/**
 * Keeps the engine's schedules as the processes declare them, also while older and newer ones run beside each other: a cron
 * is there from the first process that declares it until none has for a while. Makes one job per tenant of a tenant cron's
 * occurrence.
 */
@Injectable()
export class JobCrons implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Jobs');
  private timer: NodeJS.Timeout | undefined;
  private keeping: Promise<void> = Promise.resolve();

  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly engine: JobEngine,
    private readonly registry: JobRegistry,
    private readonly register: CronRegister,
    private readonly envelopes: JobEnvelopes,
    private readonly lanes: JobLanes,
    private readonly tenants: TenantDirectory,
    private readonly worker: JobWorker,
  ) {
    registry.useFanOut((name, run) => this.fanOut(name, run));
  }

  /** @throws Error when a cron expression or time zone is not usable */
  async onApplicationBootstrap(): Promise<void> {
    if (!worksInBackground(this.env)) return;
    await this.keep();
    this.timer = setInterval(() => {
      this.keeping = this.keep().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'The schedules of crons could not be looked after; trying again');
      });
    }, DECLARE_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.keeping;
  }

  /** Brings the engine's schedules to what the processes declare between them. What is right already is not touched. */
  async keep(): Promise<void> {
    // Read before what is wanted: of what others do meanwhile nothing is taken back.
    const scheduled = new Map((await this.engine.boss.getSchedules()).map((schedule) => [schedule.name, schedule]));
    for (const { name, expression, timeZone } of await this.register.declare(this.declared())) {
      const schedule = scheduled.get(name);
      if (schedule?.cron === expression && schedule.timezone === timeZone) continue;
      // After a pause of the whole service one run makes up for all that were missed.
      await this.engine.boss.schedule(name, expression, null, { tz: timeZone, missed: 'once' });
    }
  }

  private declared(): DeclaredCron[] {
    return this.registry.all().flatMap(({ name, cron, exclusive }) => (exclusive && cron ? [{ name, ...cron }] : []));
  }

  /**
   * Page by page, each a statement of its own. Ids are made of occurrence and tenant, so that an occurrence taken up
   * again after a crash adds only what is missing.
   */
  private async fanOut(name: string, run: JobRun): Promise<void> {
    let after = LOWEST_ID;
    for (;;) {
      run.signal.throwIfAborted();
      const tenantIds = await this.tenants.activeIds(after, PAGE);
      if (tenantIds.length === 0) return;
      // Beside what people wait for, a cron is in no hurry.
      const places = await this.lanes.next(name, tenantIds, STEPS.low);
      const jobs = tenantIds.map((tenantId) => {
        const id = idOfKey(tenantId, name, run.id);
        const data = this.envelopes.wrap(tenantId, name, id, run.id, undefined);
        return { id, data, priority: places.get(tenantId), group: { id: tenantId } };
      });
      await this.engine.boss.insert(name, jobs);
      this.worker.wake();
      after = tenantIds.at(-1)!;
    }
  }
}
