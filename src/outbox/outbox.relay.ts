import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { WorkLoop } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { OutboxFailure, OutboxHandlers, reasonOf } from './outbox.handlers.js';
import { OutboxSeal } from './outbox.seal.js';
import { type ClaimedEvent, OutboxStore, type Share } from './outbox.store.js';

/** Events handled at once in this process, and of these how many of one tenant. */
const CONCURRENCY = 16;
const PER_TENANT = 4;
const MAX_ATTEMPTS = 10;
/** How often the outbox is looked at unasked, in ms; what another process added waits at most this long. */
const POLL_MS = 400;
const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 4;
/** A handler is asked to end after this long, in ms. */
const HANDLER_MS = 120_000;
/** At shutdown, how long handlers may finish before they are asked to end, in ms. */
const DRAIN_MS = 10_000;
/** Tenants looked at in one statement. */
const STEP = 500;
const STRANGERS_MS = 60_000;
const FIRST_TENANT = '00000000-0000-0000-0000-000000000000';

interface Running {
  event: ClaimedEvent;
  abort: AbortController;
  /** By this process's monotonic clock, started before the database's. */
  leaseUntil: number;
  done: Promise<void>;
}

/**
 * Hands events to their handlers, at least once each. A claim is a lease: it is committed before the handler starts,
 * so that no transaction is open meanwhile, and renewed while the handler runs, so that no other relay has it too.
 */
@Injectable()
export class OutboxRelay implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly logger = new Logger('Outbox');
  private readonly running = new Map<string, Running>();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'The outbox cannot be read; trying again'),
  });
  private renewal: NodeJS.Timeout | undefined;
  private after = FIRST_TENANT;
  private strangersAt = 0;

  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly store: OutboxStore,
    private readonly handlers: OutboxHandlers,
    private readonly seal: OutboxSeal,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  onApplicationBootstrap(): void {
    if (!worksInBackground(this.env)) return;
    this.loop.start();
    this.renewal = setInterval(() => void this.renew(), RENEW_MS).unref();
  }

  /** Looks at the outbox now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.loop.wake();
  }

  /** Before the shutdown of what handlers use. Waits for those that run; what is not taken yet stays in the outbox. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    const late = setTimeout(() => {
      for (const { abort } of this.running.values()) abort.abort(new OutboxFailure('the process stopped'));
    }, DRAIN_MS);
    await Promise.all([...this.running.values()].map(({ done }) => done));
    clearTimeout(late);
    clearInterval(this.renewal);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }

  /** @returns whether there may be more to do at once */
  private async round(): Promise<boolean> {
    const free = CONCURRENCY - this.running.size;
    const types = this.handlers.types();
    await this.reportStrangers(types);
    if (free === 0 || types.length === 0) return false;
    const pending = await this.store.pendingTenants(this.after, types, STEP);
    const wrapped = this.after !== FIRST_TENANT;
    const { shares, last } = this.share(pending, free);
    // The next round starts behind the last tenant served, so that none is always first.
    const atEnd = pending.length < STEP && last === pending.at(-1)?.tenantId;
    this.after = atEnd ? FIRST_TENANT : (last ?? FIRST_TENANT);
    if (shares.length === 0) return !atEnd || wrapped;
    const leaseUntil = performance.now() + LEASE_MS;
    const events = await this.store.claim(shares, types, LEASE_MS);
    for (const event of events) this.start(event, leaseUntil);
    return true;
  }

  /** Divides the free places among the tenants that have something due. */
  private share(
    pending: { tenantId: string; due: boolean }[],
    free: number,
  ): { shares: Share[]; last: string | undefined } {
    const busy = new Map<string, number>();
    for (const { event } of this.running.values()) busy.set(event.tenantId, (busy.get(event.tenantId) ?? 0) + 1);
    const chosen: { tenantId: string; room: number }[] = [];
    let last: string | undefined;
    for (const { tenantId, due } of pending) {
      if (chosen.length === free) break;
      last = tenantId;
      const room = PER_TENANT - (busy.get(tenantId) ?? 0);
      if (due && room > 0) chosen.push({ tenantId, room });
    }
    const even = Math.floor(free / Math.max(1, chosen.length));
    return { shares: chosen.map(({ tenantId, room }) => ({ tenantId, rows: Math.min(room, even) })), last };
  }

  private start(event: ClaimedEvent, leaseUntil: number): void {
    const abort = new AbortController();
    const late = setTimeout(() => abort.abort(new OutboxFailure('took too long')), HANDLER_MS);
    const done = this.handle(event, abort.signal)
      .catch((error: unknown) => {
        // The lease runs out and the event is handled again.
        this.logger.error({ err: error, outbox_event: event.id }, 'The outcome of an event could not be stored');
      })
      .finally(() => {
        clearTimeout(late);
        this.running.delete(event.id);
        this.wake();
      });
    this.running.set(event.id, { event, abort, leaseUntil, done });
  }

  private async handle(event: ClaimedEvent, signal: AbortSignal): Promise<void> {
    try {
      const tenant = await this.tenants.findById(event.tenantId);
      if (!tenant || tenant.status === 'deleted') throw new OutboxFailure('the tenant is gone', true);
      const handler = this.handlers.find(event.type);
      if (!handler) throw new OutboxFailure('no handler');
      const payload = this.open(event);
      await this.runner.run(tenant, () => handler({ id: event.id, payload, attempt: event.attempts, signal }));
    } catch (error) {
      await this.fail(event, error);
      return;
    }
    await this.store.done(event);
  }

  private open(event: ClaimedEvent): unknown {
    try {
      return JSON.parse(this.seal.open(event.tenantId, event.id, event.payload));
    } catch {
      throw new OutboxFailure('the payload does not open', true);
    }
  }

  private async fail(event: ClaimedEvent, error: unknown): Promise<void> {
    const reason = reasonOf(error);
    const permanent = error instanceof OutboxFailure && error.permanent;
    const dead = permanent || event.attempts >= MAX_ATTEMPTS;
    const line = {
      outbox_event: event.id,
      type: event.type,
      tenant_id: event.tenantId,
      attempt: event.attempts,
      reason,
      // Without the first lines: they repeat the message, which may quote the payload.
      at: error instanceof Error ? error.stack?.match(/^\s+at .*$/gm)?.slice(0, 5) : undefined,
    };
    if (dead) this.logger.error(line, 'An event was given up');
    else this.logger.warn(line, 'An event failed and will be tried again');
    await this.store.failed(event, reason, dead ? undefined : retryMs(event.attempts));
  }

  private async renew(): Promise<void> {
    const held = [...this.running.values()];
    if (held.length === 0) return;
    const leaseUntil = performance.now() + LEASE_MS;
    let kept: Set<string> | undefined;
    try {
      kept = await this.store.renew(
        held.map(({ event }) => event),
        LEASE_MS,
      );
    } catch (error) {
      this.logger.error({ err: error }, 'Leases could not be renewed');
    }
    for (const running of held) {
      if (kept?.has(running.event.id)) running.leaseUntil = leaseUntil;
      else if (kept || running.leaseUntil - performance.now() < RENEW_MS * 2) {
        running.abort.abort(new OutboxFailure('the lease was lost'));
      }
    }
  }

  /** During a roll-out another process may have the handler; where nobody has, the operator should know. */
  private async reportStrangers(types: string[]): Promise<void> {
    if (performance.now() < this.strangersAt) return;
    this.strangersAt = performance.now() + STRANGERS_MS;
    for (const { type, waiting } of await this.store.strangers(types)) {
      this.logger.warn({ type, waiting }, 'Events wait for a handler that this process does not have');
    }
  }
}

/** Exponential with jitter: 1 s, 4 s, 16 s … at most an hour. Ten attempts span about three hours. */
function retryMs(attempts: number): number {
  const full = Math.min(1000 * 4 ** (attempts - 1), 3_600_000);
  return full * (0.75 + Math.random() / 2);
}
