import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { reasonOf, WorkLoop } from '../../common/index.js';
import { ChangeFeed } from '../../changes/index.js';
import { ENV } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import { InjectPlatformDataSource, type Tenant, TenantDirectory, TenantRunner } from '../../tenancy/index.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { TenantStore } from '../tenant.store.js';
import { LeaseLost, ProvisioningFence } from './provisioning.fence.js';
import { ProvisioningMarks } from './provisioning.marks.js';
import {
  isResetting,
  ProvisioningFailure,
  ProvisioningInterrupted,
  type ProvisioningRequest,
  type StepName,
} from './provisioning.step.js';
import { ProvisioningSteps } from './provisioning.steps.js';
import { type ClaimedProvisioning, PROVISIONING_CHANNEL, ProvisioningStore } from './provisioning.store.js';
import { ProvisioningUndo } from './provisioning.undo.js';

/** Tenants worked on at once in this process. */
const CONCURRENCY = 8;
const MAX_ATTEMPTS = 5;
const LEASE_MS = 15_000;
/** How long after its time a step that was asked to end has for it. */
const GRACE_MS = 5000;
/** How often is looked for work unasked, in ms: what a process left when it died, and what is to be tried again. */
const POLL_MS = 1000;

/**
 * Makes tenants: takes each through its steps, from the first that is not done. A claim is a lease, so that the work of
 * a process that died or hangs goes on elsewhere.
 */
@Injectable()
export class Provisioner implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Provisioning');
  private readonly running = new Set<Promise<void>>();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'Provisioning work cannot be read; trying again'),
  });
  private readonly stopping = new AbortController();

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly store: ProvisioningStore,
    private readonly registry: TenantStore,
    private readonly steps: ProvisioningSteps,
    private readonly marks: ProvisioningMarks,
    private readonly undo: ProvisioningUndo,
    private readonly lifecycle: TenantLifecycle,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly feed: ChangeFeed,
    private readonly fence: ProvisioningFence,
  ) {}

  onModuleInit(): void {
    this.feed.on(PROVISIONING_CHANNEL, () => this.wake());
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.env)) this.start();
  }

  /** Works from now on, until the process stops. */
  start(): void {
    this.loop.start();
  }

  /** Looks for work now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.loop.wake();
  }

  /** Steps under way are finished; what is not begun stays for the next process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.loop.stop();
    await Promise.all(this.running);
  }

  /** Takes on as many tenants as are free places for. A place that is given up wakes the loop. */
  private async round(): Promise<boolean> {
    const free = CONCURRENCY - this.running.size;
    const claimed = free > 0 ? await this.store.claim(free, LEASE_MS) : [];
    for (const claim of claimed) this.begin(claim);
    return false;
  }

  private begin(claim: ClaimedProvisioning): void {
    const work = this.runner
      .runAsPlatform('provisioning', () => this.attempt(claim))
      .catch((error: unknown) => {
        // The lease runs out and somebody goes on; or somebody has already, and this worker is the one that hung.
        if (error instanceof LeaseLost) this.logger.warn({ tenant_id: claim.tenantId }, 'Another worker took over');
        else this.logger.error({ err: error, tenant_id: claim.tenantId }, 'The outcome of a step could not be stored');
      })
      .finally(() => {
        this.running.delete(work);
        this.wake();
      });
    this.running.add(work);
  }

  private async attempt(claim: ClaimedProvisioning): Promise<void> {
    const lost = new AbortController();
    const renew = async (): Promise<void> => {
      if (!(await this.store.renew(claim, LEASE_MS))) lost.abort();
    };
    const renewal = setInterval(() => void renew().catch(() => undefined), LEASE_MS / 3);
    const signal = AbortSignal.any([this.stopping.signal, lost.signal]);
    let step: StepName | undefined;
    try {
      if (!(await this.fence.isClear(claim))) throw new ProvisioningFailure('the attempt before it has not ended');
      if (claim.state === 'undoing') {
        await this.undo.run(claim);
        return;
      }
      while (!this.loop.stopped && (step = await this.store.nextStep(claim.tenantId)) !== undefined) {
        await this.take(claim, step, signal);
        if (step !== 'activate' && !(await this.store.renew(claim, LEASE_MS))) throw new LeaseLost();
      }
      if (step !== undefined) await this.store.handOver(claim);
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      await this.failed(claim, step, error);
    } finally {
      clearInterval(renewal);
    }
  }

  private async take(claim: ClaimedProvisioning, step: StepName, signal: AbortSignal): Promise<void> {
    const tenant = await this.tenants.findById(claim.tenantId);
    if (!tenant) throw new ProvisioningFailure('the tenant is gone', true);
    const request = await this.store.requestOf(claim.tenantId);
    await this.store.stepStarted(claim, step);
    if (step === 'activate') return this.activate(claim, tenant, request);
    const { handler, timeoutMs } = this.steps.find(step);
    await within(timeoutMs, signal, (signal) => handler({ tenant, request, lease: claim, signal }));
    if (step === 'owner') await this.store.forgetPassword(claim, request);
    await this.store.stepDone(claim, step);
  }

  private async activate(claim: ClaimedProvisioning, tenant: Tenant, request: ProvisioningRequest): Promise<void> {
    await this.marks.forget({ tenant, lease: claim });
    await this.platform.transaction(async (manager) => {
      const locked = await this.lifecycle.lock(manager, tenant.id);
      await this.store.stepDone(claim, 'activate', manager);
      await this.store.finish(manager, claim, 'done');
      // Of a reset the tenant was suspended. It may be something else by now; then that stands.
      if (!request.copy?.reset) await this.lifecycle.applyWithin(manager, tenant.id, 'activate');
      else if (isResetting(locked)) await this.lifecycle.applyWithin(manager, tenant.id, 'resume');
    });
  }

  private async failed(claim: ClaimedProvisioning, step: StepName | undefined, error: unknown): Promise<void> {
    const { tenantId, attempts, state } = claim;
    if (error instanceof ProvisioningInterrupted) return this.store.handOver(claim);
    const reason = reasonOf(error);
    const permanent = error instanceof ProvisioningFailure && error.permanent;
    this.logger.warn({ err: error, tenant_id: tenantId, step, attempt: attempts }, 'A provisioning step failed');
    if (step) await this.store.stepFailed(claim, step, reason);
    // What is being undone stays so until it is: half of it would be neither here nor there.
    if (state === 'undoing' || (!permanent && attempts < MAX_ATTEMPTS)) {
      await this.store.postpone(claim, reason, retryMs(attempts));
      return;
    }
    await this.platform.transaction(async (manager) => {
      const tenant = await this.registry.lock(manager, tenantId);
      // A tenant that was being reset stays suspended, and can be reset again.
      if (tenant.status === 'provisioning') {
        await this.lifecycle.applyWithin(manager, tenantId, 'fail', { details: { step, reason } });
      }
      await this.store.finish(manager, claim, 'failed', step ? `${step}: ${reason}` : reason);
    });
  }
}

/**
 * Runs the work of a step, and asks it to end when its time is up. What does not is left behind: without a lease it can do
 * nothing any more.
 *
 * @throws ProvisioningFailure
 */
async function within(ms: number, outer: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const time = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const late = new Promise<never>((_, reject) => {
    timers.push(setTimeout(() => time.abort(), ms));
    timers.push(setTimeout(() => reject(new ProvisioningFailure('it took too long')), ms + GRACE_MS));
  });
  try {
    await Promise.race([work(AbortSignal.any([outer, time.signal])), late]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** Exponential with jitter: 0.5 s, 2 s, 8 s, 32 s, at most five minutes. */
function retryMs(attempts: number): number {
  return Math.min(500 * 4 ** (attempts - 1), 300_000) * (0.75 + Math.random() / 2);
}
