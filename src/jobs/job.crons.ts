import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { TenantDirectory } from '../tenancy/index.js';
import type { JobRun } from './job.decorators.js';
import { JobEngine } from './job.engine.js';
import { idOfKey, JobEnvelopes } from './job.envelope.js';
import { JobLanes, STEPS } from './job.lanes.js';
import { JobRegistry } from './job.registry.js';
import { JobWorker } from './job.worker.js';

/** Tenants of which a cron's jobs are added in one statement. */
const PAGE = 1000;
const FIRST_TENANT = '00000000-0000-0000-0000-000000000000';

/** Keeps the engine's schedules as they are declared, and makes one job per tenant of a tenant cron's occurrence. */
@Injectable()
export class JobCrons implements OnApplicationBootstrap {
  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly engine: JobEngine,
    private readonly registry: JobRegistry,
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
    const crons = this.registry.all().filter(({ exclusive }) => exclusive);
    for (const { name, cron } of crons) {
      // After a pause of the whole service one run makes up for all that were missed.
      await this.engine.boss.schedule(name, cron!.expression, null, { tz: cron!.timeZone, missed: 'once' });
    }
    const declared = new Set(crons.map(({ name }) => name));
    for (const { name } of await this.engine.boss.getSchedules()) {
      if (!declared.has(name)) await this.engine.boss.unschedule(name);
    }
  }

  /**
   * Page by page, each a statement of its own. Ids are made of occurrence and tenant, so that an occurrence taken up
   * again after a crash adds only what is missing.
   */
  private async fanOut(name: string, run: JobRun): Promise<void> {
    let after = FIRST_TENANT;
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
