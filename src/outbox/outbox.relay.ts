import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ChangeFeed } from '../changes/index.js';
import { LOWEST_ID, WorkLoop } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import {
  InjectPlatformDataSource,
  type OwnPlace,
  type Tenant,
  TenantDirectory,
  WorkedPlacesFactory,
} from '../tenancy/index.js';
import { CONCURRENCY, EventRunner, LEASE_MS, PER_TENANT } from './event.runner.js';
import { OutboxHandlers } from './outbox.handlers.js';
import type { Share } from './outbox.table.js';
import { OutboxTables } from './outbox.tables.js';
import { OwnOutboxes } from './own.outboxes.js';

/** Ids of tenants with a place of their own that have added something. */
const CHANNEL = 'tenantry_outbox';
/** How often the shared outbox is looked at unasked, in ms; what another process added waits at most this long. */
const POLL_MS = 400;
/** How often each outbox of a tenant's own is looked at unasked, in ms: what is in it was told of, unless a process died. */
const SWEEP_MS = 30_000;
/** A sweep looks at one each so often, in ms, unless there are too many for that. */
const PACE_MS = 30;
/** Tenants looked at in one statement. */
const STEP = 500;
const STRANGERS_MS = 60_000;

/** Takes due events out of all outboxes and has them handled, at least once each, fairly between tenants. */
@Injectable()
export class OutboxRelay implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Outbox');
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'The outbox cannot be read; trying again'),
  });
  private after = LOWEST_ID;
  /** Whether one was served since all shared tenants with something waiting were looked at in a row. */
  private served = false;
  private strangersAt = 0;
  private sweptAt = -Infinity;
  /** How many types the last sweep was for. */
  private sweptTypes = 0;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly tables: OutboxTables,
    private readonly handlers: OutboxHandlers,
    private readonly events: EventRunner,
    private readonly tenants: TenantDirectory,
    private readonly changes: ChangeFeed,
    private readonly places: WorkedPlacesFactory,
    private readonly own: OwnOutboxes,
  ) {}

  onModuleInit(): void {
    this.own.onFound(() => this.wake());
    if (worksInBackground(this.env)) this.changes.on(CHANNEL, (ids) => void this.hear(ids));
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.env)) this.loop.start();
  }

  /** Looks at the outbox now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.loop.wake();
  }

  /** Looks at the outbox of a tenant's own now. */
  ring({ tenantId, placement }: OwnPlace): void {
    this.own.ring(tenantId, placement);
    this.wake();
  }

  /** After a tenant's transaction that added something has committed. */
  added({ id, placement }: Tenant): void {
    if (placement.kind === 'shared' && placement.server === undefined) return this.wake();
    if (worksInBackground(this.env) && !this.loop.stopped) return this.ring({ tenantId: id, placement });
    // Unheard, it is found by the next sweep.
    this.platform.query('SELECT pg_notify($1, $2)', [CHANNEL, id]).catch((error: unknown) => {
      this.logger.warn({ err: error, tenant_id: id }, 'Workers could not be told of an event; they find it later');
    });
  }

  /** Before the shutdown of what handlers use. Waits for those that run; what is not taken yet stays in the outbox. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.own.drain();
    await this.events.drain();
  }

  private async hear(ids: string[] | undefined): Promise<void> {
    if (!ids) this.sweptAt = -Infinity;
    for (const id of ids ?? []) {
      const tenant = await this.tenants.findById(id).catch(() => undefined);
      if (tenant) this.own.ring(id, tenant.placement);
    }
    this.wake();
  }

  /** @returns whether there may be more to do at once */
  private async round(): Promise<boolean> {
    const types = this.handlers.types();
    await this.reportStrangers(types);
    if (this.free() <= 0 || types.length === 0) return false;
    await this.sweep(types.length);
    // Half of what is free is left to the shared one.
    const more = await this.own.look(types, Math.ceil(this.free() / 2), this.busy());
    const free = this.free();
    return (free > 0 && (await this.roundOfShared(types, free))) || more;
  }

  /** How many more events may run, beside those that run or are being looked for. */
  private free(): number {
    return CONCURRENCY - this.events.size - this.own.sought;
  }

  private busy(): Map<string, number> {
    const busy = this.events.busy();
    for (const [tenantId, sought] of this.own.soughtOf()) busy.set(tenantId, (busy.get(tenantId) ?? 0) + sought);
    return busy;
  }

  private async roundOfShared(types: string[], free: number): Promise<boolean> {
    const { shared } = this.tables;
    const pending = await shared.pendingTenants(this.after, types, STEP);
    const { shares, last } = await this.share(pending, free);
    // The next round starts behind the last tenant served, so that none is always first.
    const atEnd = pending.length < STEP && last === pending.at(-1)?.tenantId;
    this.after = atEnd ? LOWEST_ID : (last ?? LOWEST_ID);
    if (shares.length === 0) {
      // Those before the last one served were not looked at since. Where none was, all have been.
      const again = !atEnd || this.served;
      if (atEnd) this.served = false;
      return again;
    }
    this.served = true;
    const leaseUntil = performance.now() + LEASE_MS;
    const events = await shared.claim(shares, types, LEASE_MS);
    for (const event of events) this.events.start(event, shared, leaseUntil, () => this.wake());
    return true;
  }

  /** Divides the free places among the tenants that have something due. */
  private async share(
    pending: { tenantId: string; due: boolean }[],
    free: number,
  ): Promise<{ shares: Share[]; last: string | undefined }> {
    const busy = this.busy();
    const places = await this.places.count(CONCURRENCY, busy);
    const chosen: { tenantId: string; room: number }[] = [];
    let last: string | undefined;
    for (const { tenantId, due } of pending) {
      if (chosen.length === free) break;
      last = tenantId;
      const room = PER_TENANT - (busy.get(tenantId) ?? 0);
      if (!due || room <= 0 || (await places.freeForTenant(tenantId)) === 0) continue;
      chosen.push({ tenantId, room });
      await places.take(tenantId);
    }
    // What is kept for some is given out one by one.
    const even = places.kept ? 1 : Math.floor(free / Math.max(1, chosen.length));
    return { shares: chosen.map(({ tenantId, room }) => ({ tenantId, rows: Math.min(room, even) })), last };
  }

  /** @param types how many are handled here; what waited for a new one may be anywhere */
  private async sweep(types: number): Promise<void> {
    if (performance.now() - this.sweptAt < SWEEP_MS && types === this.sweptTypes) return;
    this.sweptAt = performance.now();
    this.sweptTypes = types;
    const places: OwnPlace[] = [];
    for await (const place of this.tables.elsewhere()) places.push(place);
    this.own.spread(places, Math.min(SWEEP_MS, places.length * PACE_MS));
  }

  /** During a roll-out another process may have the handler; where nobody has, the operator should know. */
  private async reportStrangers(types: string[]): Promise<void> {
    if (performance.now() < this.strangersAt) return;
    this.strangersAt = performance.now() + STRANGERS_MS;
    for (const { type, waiting } of await this.tables.shared.strangers(types)) {
      this.logger.warn({ type, waiting }, 'Events wait for a handler that this process does not have');
    }
  }
}
