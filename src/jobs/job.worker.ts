import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { JobWithMetadata } from 'pg-boss';
import { placesOf, reasonOf, WorkLoop } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { WorkedPlacesFactory } from '../tenancy/index.js';
import { HEARTBEAT_SECONDS, JobEngine } from './job.engine.js';
import { JobFailure } from './job.errors.js';
import { JobLanes } from './job.lanes.js';
import { JobMetrics } from './job.metrics.js';
import { type JobDefinition, JobRegistry } from './job.registry.js';
import { holdOf, JobRunner, type Outcome } from './job.runner.js';
import { JobStore } from './job.store.js';

/** How often queues are looked at unasked, in ms; what another process added waits at most this long. */
const POLL_MS = 400;
const BEAT_MS = (HEARTBEAT_SECONDS * 1000) / 4;
const SWEEP_MS = 600_000;
/** At shutdown, how long jobs may finish before they are asked to end, and then have to end, in ms. */
const DRAIN_MS = 5000;
const ABORTED_MS = 2000;

interface Running {
  definition: JobDefinition;
  job: JobWithMetadata;
  abort: AbortController;
  /** By this process's monotonic clock. */
  heardAt: number;
  done: Promise<void>;
}

/** Takes jobs from the engine, as many of each name as are declared, and runs them. */
@Injectable()
export class JobWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Jobs');
  private readonly running = new Set<Running>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'Jobs cannot be read; trying again'),
  });

  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly engine: JobEngine,
    private readonly registry: JobRegistry,
    private readonly store: JobStore,
    private readonly runner: JobRunner,
    private readonly lanes: JobLanes,
    private readonly metrics: JobMetrics,
    private readonly places: WorkedPlacesFactory,
  ) {}

  onApplicationBootstrap(): void {
    if (!worksInBackground(this.env)) return;
    this.loop.start();
    this.timers.push(setInterval(() => void this.beat(), BEAT_MS).unref());
    this.timers.push(setInterval(() => void this.sweep(), SWEEP_MS).unref());
  }

  /** Looks for jobs now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.loop.wake();
  }

  /** Before the shutdown of what handlers use. What does not end in time goes back to its queue, attempt uncounted. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.ended(DRAIN_MS);
    for (const { abort } of this.running) abort.abort(new JobFailure('the process stopped'));
    await this.ended(ABORTED_MS);
    for (const { job } of this.running) await this.store.release(holdOf(job)).catch(() => undefined);
    for (const timer of this.timers) clearInterval(timer);
  }

  private async ended(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([late, Promise.all([...this.running].map(({ done }) => done))]);
    clearTimeout(timer);
  }

  /** @returns whether there may be more to do at once */
  private async round(): Promise<boolean> {
    const free = this.registry.all().filter((definition) => this.room(definition) > 0);
    if (free.length === 0) return false;
    const ready = new Set(await this.store.ready(free.map(({ name }) => name)));
    let taken = 0;
    for (const definition of free) {
      if (!ready.has(definition.name) || this.loop.stopped) continue;
      const jobs = await this.take(definition);
      for (const job of jobs) this.start(definition, job);
      taken += jobs.length;
    }
    return taken > 0;
  }

  /** As many as there is room for: first whatever is next, then what has places kept for its plan. */
  private async take(definition: JobDefinition): Promise<JobWithMetadata[]> {
    const { name, concurrency } = definition;
    const busy = this.busy(definition).map(({ job }): [string | null | undefined, number] => [job.groupId, 1]);
    const places = await this.places.count(concurrency, busy);
    const whole = definition.scope === 'platform' || !places.kept;
    const batchSize = whole ? this.room(definition) : places.freeFor(undefined);
    const jobs: JobWithMetadata[] =
      batchSize > 0 ? await this.engine.boss.fetch<object>(name, { batchSize, includeMetadata: true }) : [];
    if (whole) return jobs;
    for (const { groupId } of jobs) await places.take(groupId);
    for (const plan of places.plansWithReserve()) {
      const room = places.freeFor(plan);
      for (const id of room > 0 ? await this.store.takeOfPlan(name, plan, room) : []) {
        const [job] = await this.engine.boss.findJobs<object>(name, { id });
        if (!job) continue;
        jobs.push(job);
        await places.take(job.groupId);
      }
    }
    return jobs;
  }

  private room(definition: JobDefinition): number {
    return definition.concurrency - this.busy(definition).length;
  }

  private busy({ name }: JobDefinition): Running[] {
    return [...this.running].filter(({ definition }) => definition.name === name);
  }

  private start(definition: JobDefinition, job: JobWithMetadata): void {
    const abort = new AbortController();
    const late = setTimeout(() => abort.abort(new JobFailure('took too long')), definition.timeoutSeconds * 1000);
    const entry: Running = { definition, job, abort, heardAt: performance.now(), done: Promise.resolve() };
    entry.done = this.handle(entry)
      .then((outcome) => this.metrics.count(definition.name, outcome))
      .catch((error: unknown) => {
        // The heartbeat ends and the job is given to another worker.
        this.logger.error({ err: error, job: definition.name, job_id: job.id }, 'The outcome of a job was not stored');
      })
      .finally(() => {
        clearTimeout(late);
        this.running.delete(entry);
        this.wake();
      });
    this.running.add(entry);
  }

  private async handle({ definition, job, abort }: Running): Promise<Outcome> {
    const { signal } = abort;
    try {
      return await this.runner.run(definition, job, { id: job.id, attempt: job.retryCount + 1, signal });
    } catch (error) {
      if (signal.aborted && this.loop.stopped) {
        await this.store.release(holdOf(job));
        return 'returned';
      }
      // Asked to end, a handler fails in its own words; why it was asked says more.
      const cause: unknown = signal.aborted ? signal.reason : error;
      const reason = reasonOf(cause);
      const outcome = await this.runner.fail(job, reason, error instanceof JobFailure && error.permanent);
      const line = {
        job: job.name,
        job_id: job.id,
        tenant_id: job.groupId,
        attempt: job.retryCount + 1,
        reason,
        // And no message, which may quote the payload.
        at: placesOf(error),
      };
      if (outcome === 'lost') this.logger.log(line, "A job was no longer this worker's when it ended");
      else if (outcome === 'dead') this.logger.error(line, 'A job was given up');
      else this.logger.warn(line, 'A job failed and will be tried again');
      return outcome;
    }
  }

  private async beat(): Promise<void> {
    const held = [...this.running];
    if (held.length === 0) return;
    const now = performance.now();
    let kept: Set<string> | undefined;
    try {
      kept = await this.store.beat(held.map(({ job }) => holdOf(job)));
    } catch (error) {
      this.logger.error({ err: error }, 'Jobs could not be held on to');
    }
    for (const entry of held) {
      if (kept?.has(entry.job.id)) entry.heardAt = now;
      else if (this.running.has(entry) && (kept || now - entry.heardAt > BEAT_MS * 3)) {
        entry.abort.abort(new JobFailure('the hold on the job was lost'));
      }
    }
  }

  private async sweep(): Promise<void> {
    await this.lanes.sweep().catch((error: unknown) => this.logger.warn({ err: error }, 'Lanes were not swept'));
  }
}
