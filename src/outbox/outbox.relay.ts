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
import { WorkLoop } from '../common/index.js';
import { ENV } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { InjectPlatformDataSource, type OwnPlace, type Tenant, TenantDirectory } from '../tenancy/index.js';
import { EventRunner, LEASE_MS } from './event.runner.js';
import { OutboxHandlers } from './outbox.handlers.js';
import type { Share } from './outbox.table.js';
import { OutboxTables } from './outbox.tables.js';
import { OwnOutboxes } from './own.outboxes.js';

/** Ids of tenants with a place of their own that have added something. */
const CHANNEL = 'tenantry_outbox';
/** Events handled at once in this process, and of these how many of one tenant. */
const CONCURRENCY = 16;
const PER_TENANT = 4;
/** How often the shared outbox is looked at unasked, in ms; what another process added waits at most this long. */
const POLL_MS = 400;
/** How often each outbox of a tenant's own is looked at unasked, in ms: what is in it was told of, unless a process died. */
const SWEEP_MS = 30_000;
/** Outboxes of tenants' own that are looked at in one round. */
const OWN_AT_ONCE = 8;
/** Tenants looked at in one statement. */
const STEP = 500;
const STRANGERS_MS = 60_000;
const FIRST_TENANT = '00000000-0000-0000-0000-000000000000';

/** Takes due events out of all outboxes and has them handled, at least once each, fairly between tenants. */
@Injectable()
export class OutboxRelay implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Outbox');
  private readonly own = new OwnOutboxes();
  private readonly unreadable = new Set<string>();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.round(),
    failed: (error) => this.logger.error({ err: error }, 'The outbox cannot be read; trying again'),
  });
  private after = FIRST_TENANT;
  private strangersAt = 0;
  private sweptAt = -Infinity;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly tables: OutboxTables,
    private readonly handlers: OutboxHandlers,
    private readonly events: EventRunner,
    private readonly tenants: TenantDirectory,
    private readonly changes: ChangeFeed,
  ) {}

  onModuleInit(): void {
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
    if (worksInBackground(this.env)) return this.ring({ tenantId: id, placement });
    // Unheard, it is found by the next sweep.
    this.platform.query('SELECT pg_notify($1, $2)', [CHANNEL, id]).catch((error: unknown) => {
      this.logger.warn({ err: error, tenant_id: id }, 'Workers could not be told of an event; they find it later');
    });
  }

  /** Before the shutdown of what handlers use. Waits for those that run; what is not taken yet stays in the outbox. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
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
    if (this.events.size >= CONCURRENCY || types.length === 0) return false;
    const more = await this.roundOfOwn(types);
    const free = CONCURRENCY - this.events.size;
    return (free > 0 && (await this.roundOfShared(types, free))) || more;
  }

  private async roundOfShared(types: string[], free: number): Promise<boolean> {
    const { shared } = this.tables;
    const pending = await shared.pendingTenants(this.after, types, STEP);
    const wrapped = this.after !== FIRST_TENANT;
    const { shares, last } = this.share(pending, free);
    // The next round starts behind the last tenant served, so that none is always first.
    const atEnd = pending.length < STEP && last === pending.at(-1)?.tenantId;
    this.after = atEnd ? FIRST_TENANT : (last ?? FIRST_TENANT);
    if (shares.length === 0) return !atEnd || wrapped;
    const leaseUntil = performance.now() + LEASE_MS;
    const events = await shared.claim(shares, types, LEASE_MS);
    for (const event of events) this.events.start(event, shared, leaseUntil, () => this.wake());
    return true;
  }

  /** Divides the free places among the tenants that have something due. */
  private share(
    pending: { tenantId: string; due: boolean }[],
    free: number,
  ): { shares: Share[]; last: string | undefined } {
    const busy = this.events.busy();
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

  /** Looks at the outboxes of tenants' own whose time has come. Half of what is free is left to the shared one. */
  private async roundOfOwn(types: string[]): Promise<boolean> {
    await this.sweep();
    let free = Math.ceil((CONCURRENCY - this.events.size) / 2);
    const busy = this.events.busy();
    const places = this.own.take(Math.min(OWN_AT_ONCE, free));
    const looks = places.map((place) => {
      const rows = Math.min(
        PER_TENANT - (busy.get(place.tenantId) ?? 0),
        Math.max(1, Math.floor(free / places.length)),
      );
      // Its events that run ring when they end.
      return rows > 0 ? this.lookAt(place, rows, types) : Promise.resolve(0);
    });
    for (const taken of await Promise.all(looks)) free -= taken;
    return places.length > 0;
  }

  /** @returns how many events were taken */
  private async lookAt({ tenantId, placement }: OwnPlace, rows: number, types: string[]): Promise<number> {
    const ring = (): void => this.ring({ tenantId, placement });
    try {
      const table = this.tables.at(placement);
      const leaseUntil = performance.now() + LEASE_MS;
      const events = await table.claim([{ tenantId, rows }], types, LEASE_MS);
      for (const event of events) this.events.start(event, table, leaseUntil, ring);
      if (events.length === 0) {
        const due = await table.nextDue(tenantId, types);
        if (due !== undefined) this.own.later(tenantId, placement, Math.max(due, 50));
      }
      this.unreadable.delete(tenantId);
      return events.length;
    } catch (error) {
      // Told once. The next sweep looks again, unless the tenant and its place are gone by then.
      if (!this.unreadable.has(tenantId)) {
        this.logger.error({ err: error, tenant_id: tenantId }, "A tenant's outbox cannot be read; trying again");
      }
      this.unreadable.add(tenantId);
      return 0;
    }
  }

  private async sweep(): Promise<void> {
    if (performance.now() - this.sweptAt < SWEEP_MS) return;
    this.sweptAt = performance.now();
    const places: OwnPlace[] = [];
    for await (const place of this.tables.elsewhere()) places.push(place);
    this.own.spread(places, SWEEP_MS);
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
