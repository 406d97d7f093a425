import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AppError } from '../../common/index.js';
import { ChangeFeed } from '../../changes/index.js';
import { ENV } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import { InjectPlatformDataSource, TenantDirectory, TenantRunner } from '../../tenancy/index.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { TenantStore } from '../tenant.store.js';
import { ProvisioningMarks } from './provisioning.marks.js';
import { ProvisioningFailure, ProvisioningInterrupted, isResetting, type StepName } from './provisioning.step.js';
import { ProvisioningSteps } from './provisioning.steps.js';
import { type ClaimedProvisioning, PROVISIONING_CHANNEL, ProvisioningStore } from './provisioning.store.js';
import { ProvisioningUndo } from './provisioning.undo.js';

/** Tenants worked on at once in this process. */
const CONCURRENCY = 8;
const MAX_ATTEMPTS = 5;
const LEASE_MS = 15_000;
/** How often is looked for work unasked, in ms: what a process left when it died, and what is to be tried again. */
const POLL_MS = 1000;

/**
 * Makes tenants: takes each through its steps, from the first that is not done. A claim is a lease, so that the work of
 * a process that died goes on elsewhere.
 */
@Injectable()
export class Provisioner implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Provisioning');
  private readonly running = new Set<Promise<void>>();
  private loop: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private stopped = false;
  private awake = false;
  private rouse: (() => void) | undefined;

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
    private readonly changes: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.changes.on(PROVISIONING_CHANNEL, () => this.wake());
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.env)) this.start();
  }

  /** Works from now on, until the process stops. */
  start(): void {
    this.loop ??= this.work();
  }

  /** Looks for work now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.awake = true;
    this.rouse?.();
  }

  /** Steps under way are finished; what is not begun stays for the next process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    this.stopping.abort();
    this.wake();
    await this.loop;
    await Promise.all(this.running);
  }

  private async work(): Promise<void> {
    let failing = false;
    while (!this.stopped) {
      this.awake = false;
      try {
        const free = CONCURRENCY - this.running.size;
        const claimed = free > 0 ? await this.store.claim(free, LEASE_MS) : [];
        for (const claim of claimed) this.begin(claim);
        failing = false;
      } catch (error) {
        if (!failing) this.logger.error({ err: error }, 'Provisioning work cannot be read; trying again');
        failing = true;
      }
      await this.pause();
    }
  }

  private begin(claim: ClaimedProvisioning): void {
    const work = this.runner
      .runAsPlatform('provisioning', () => this.attempt(claim))
      .catch((error: unknown) => {
        // The lease runs out and somebody goes on.
        this.logger.error({ err: error, tenant_id: claim.tenantId }, 'The outcome of a step could not be stored');
      })
      .finally(() => {
        this.running.delete(work);
        this.wake();
      });
    this.running.add(work);
  }

  private async attempt(claim: ClaimedProvisioning): Promise<void> {
    const renewal = setInterval(() => void this.store.renew(claim, LEASE_MS).catch(() => undefined), LEASE_MS / 3);
    let step: StepName | undefined;
    try {
      if (claim.state === 'undoing') return await this.undo.run(claim.tenantId);
      while (!this.stopped && (step = await this.store.nextStep(claim.tenantId)) !== undefined) {
        await this.take(claim.tenantId, step);
        // Another process may have taken over while a step hung.
        if (step !== 'activate' && !(await this.store.renew(claim, LEASE_MS))) return;
      }
      if (step !== undefined) await this.store.postpone(claim, '', 0);
    } catch (error) {
      await this.failed(claim, step, error);
    } finally {
      clearInterval(renewal);
    }
  }

  private async take(tenantId: string, step: StepName): Promise<void> {
    const tenant = await this.tenants.findById(tenantId);
    if (!tenant) throw new ProvisioningFailure('the tenant is gone', true);
    const request = await this.store.requestOf(tenantId);
    await this.store.stepStarted(tenantId, step);
    if (step === 'activate') {
      await this.marks.forget(tenant);
      await this.platform.transaction(async (manager) => {
        const locked = await this.lifecycle.lock(manager, tenantId);
        await this.store.stepDone(tenantId, step, manager);
        await this.store.finish(manager, tenantId, 'done');
        // Of a reset the tenant was suspended. It may be something else by now; then that stands.
        if (!request.copy?.reset) await this.lifecycle.applyWithin(manager, tenantId, 'activate');
        else if (isResetting(locked)) await this.lifecycle.applyWithin(manager, tenantId, 'resume');
      });
      return;
    }
    await this.steps.find(step)({ tenant, request, signal: this.stopping.signal });
    if (step === 'owner') await this.store.forgetPassword(tenantId, request);
    await this.store.stepDone(tenantId, step);
  }

  private async failed(claim: ClaimedProvisioning, step: StepName | undefined, error: unknown): Promise<void> {
    const { tenantId, attempts, state } = claim;
    if (error instanceof ProvisioningInterrupted) return this.store.postpone(claim, '', 0);
    const reason = reasonOf(error);
    const permanent = error instanceof ProvisioningFailure && error.permanent;
    this.logger.warn({ err: error, tenant_id: tenantId, step, attempt: attempts }, 'A provisioning step failed');
    if (step) await this.store.stepFailed(tenantId, step, reason);
    // What is being undone stays so until it is: half of it would be neither here nor there.
    if (state === 'undoing' || (!permanent && attempts < MAX_ATTEMPTS)) {
      await this.store.postpone(claim, reason, retryMs(attempts));
      return;
    }
    await this.platform.transaction(async (manager) => {
      // A tenant that was being reset stays suspended, and can be reset again.
      if ((await this.registry.lock(manager, tenantId)).status === 'provisioning') {
        await this.lifecycle.applyWithin(manager, tenantId, 'fail', { details: { step, reason } });
      }
      await this.store.finish(manager, tenantId, 'failed', step ? `${step}: ${reason}` : reason);
    });
  }

  private async pause(): Promise<void> {
    if (this.awake || this.stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS).unref();
      this.rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.rouse = undefined;
  }
}

/** What an admin may read: drivers and servers quote what they were given, which may be secret. */
function reasonOf(error: unknown): string {
  if (error instanceof ProvisioningFailure) return error.reason;
  if (error instanceof AppError) return error.code;
  if (!(error instanceof Error)) return 'unknown';
  const code = (error as { code?: unknown }).code ?? (error as { driverError?: { code?: unknown } }).driverError?.code;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}

/** Exponential with jitter: 0.5 s, 2 s, 8 s, 32 s, at most five minutes. */
function retryMs(attempts: number): number {
  return Math.min(500 * 4 ** (attempts - 1), 300_000) * (0.75 + Math.random() / 2);
}
