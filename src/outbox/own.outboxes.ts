import { Injectable, Logger } from '@nestjs/common';
import pg from 'pg';
import {
  isTurnedAway,
  type OwnPlace,
  type Placement,
  PlacementUnavailable,
  PlaceLanes,
  TenantDirectory,
  type WorkedPlaces,
  WorkedPlacesFactory,
} from '../tenancy/index.js';
import { CONCURRENCY, EventRunner, LEASE_MS, PER_TENANT } from './event.runner.js';
import { OutboxTables } from './outbox.tables.js';

/** Events that looks may take at once. The rest is left to the shared outbox. */
const MOST_SOUGHT = CONCURRENCY / 2;
/** Within this time, in ms, a look is answered where all is well. */
const ANSWERED_MS = 1000;
/** How soon one is looked at again, in ms, while what is free is kept for others. */
const KEPT_MS = 400;
/** How soon that of a tenant that moves is looked at again, in ms. */
const MOVING_MS = 100;
/** What becomes due is not looked for more often than this, in ms. */
const SOONEST_MS = 50;

/** Whose outbox is to be looked at, and when. */
interface Appointment {
  placement: Placement;
  /** By this process's monotonic clock. */
  at: number;
}

/** An outbox that is being looked at. */
interface Look {
  /** How many events it may take. */
  rows: number;
  /** When it began, by this process's monotonic clock. */
  began: number;
  done: Promise<void>;
}

/**
 * The outboxes of tenants with a place of their own, which are too many to ask all the time: each is looked at when its
 * tenant has added something, when something in it is due, and every now and then in case nobody said so. Each look is
 * beside the others, so that a server that does not answer keeps nobody else's events waiting.
 */
@Injectable()
export class OwnOutboxes {
  private readonly logger = new Logger('Outbox');
  private readonly appointments = new Map<string, Appointment>();
  private readonly looks = new Map<string, Look>();
  private readonly lanes = new PlaceLanes();
  private readonly unreadable = new Set<string>();
  private found = (): void => undefined;

  constructor(
    private readonly tables: OutboxTables,
    private readonly events: EventRunner,
    private readonly tenants: TenantDirectory,
    private readonly places: WorkedPlacesFactory,
  ) {}

  /** @param found called when there may be more to do */
  onFound(found: () => void): void {
    this.found = found;
  }

  /**
   * How many events the looks under way may take. One that is not answered for long takes none, most likely; if it does after
   * all, a few more run for a while.
   */
  get sought(): number {
    const recently = performance.now() - ANSWERED_MS;
    return [...this.looks.values()].reduce((all, { rows, began }) => (began > recently ? all + rows : all), 0);
  }

  *soughtOf(): Iterable<[tenantId: string, sought: number]> {
    for (const [tenantId, { rows }] of this.looks) yield [tenantId, rows];
  }

  /** Looks at it as soon as may be. */
  ring(tenantId: string, placement: Placement): void {
    this.appointments.set(tenantId, { placement, at: -Infinity });
  }

  /** Looks at it in `ms`, unless there is reason to do so before. */
  later(tenantId: string, placement: Placement, ms: number): void {
    const at = performance.now() + ms;
    const known = this.appointments.get(tenantId);
    if (!known || known.at > at) this.appointments.set(tenantId, { placement, at });
  }

  /** Has every one of them looked at within `ms`, spread over that time. */
  spread(places: OwnPlace[], ms: number): void {
    places.forEach(({ tenantId, placement }, index) => this.later(tenantId, placement, (ms * index) / places.length));
  }

  /**
   * Begins to look at those whose time has come.
   *
   * @param free how many events may be taken @param busy how many of each tenant run or are sought
   * @returns whether there may be more of them
   */
  async look(types: string[], free: number, busy: Map<string, number>): Promise<boolean> {
    const most = Math.min(free, MOST_SOUGHT - this.sought);
    const worked = await this.places.count(CONCURRENCY, busy);
    const places: OwnPlace[] = [];
    for (const place of this.take(most)) {
      if (await this.mayTake(place, worked)) places.push(place);
    }
    for (const place of places) {
      const even = worked.kept ? 1 : Math.floor(most / places.length);
      const rows = Math.min(PER_TENANT - (busy.get(place.tenantId) ?? 0), Math.max(1, even));
      // Its events that run ring when they end. Several of one server may have been taken out.
      if (rows > 0 && !this.lanes.isFull(place.placement)) this.begin(place, rows, types);
      else if (rows > 0) this.ring(place.tenantId, place.placement);
    }
    return places.length > 0;
  }

  /** Resolves when no look is under way. */
  async drain(): Promise<void> {
    await Promise.all([...this.looks.values()].map(({ done }) => done));
  }

  /** Takes out those whose time has come, the longest overdue first. */
  private take(most: number): OwnPlace[] {
    const now = performance.now();
    const due = [...this.appointments].filter(
      ([tenantId, { at, placement }]) => at <= now && !this.looks.has(tenantId) && !this.lanes.isFull(placement),
    );
    due.sort(([, a], [, b]) => a.at - b.at);
    return due.slice(0, Math.max(0, most)).map(([tenantId, { placement }]) => {
      this.appointments.delete(tenantId);
      return { tenantId, placement };
    });
  }

  /** What is free may be kept for others. */
  private async mayTake({ tenantId, placement }: OwnPlace, worked: WorkedPlaces): Promise<boolean> {
    if ((await worked.freeForTenant(tenantId)) === 0) {
      this.later(tenantId, placement, KEPT_MS);
      return false;
    }
    await worked.take(tenantId);
    return true;
  }

  private begin(place: OwnPlace, rows: number, types: string[]): void {
    const done = this.lookAt(place, rows, types).finally(() => {
      this.looks.delete(place.tenantId);
      this.found();
    });
    this.looks.set(place.tenantId, { rows, began: performance.now(), done });
  }

  private async lookAt({ tenantId, placement }: OwnPlace, rows: number, types: string[]): Promise<void> {
    const ring = (): void => {
      this.ring(tenantId, placement);
      this.found();
    };
    try {
      const table = this.tables.at(placement);
      const leaseUntil = performance.now() + LEASE_MS;
      const events = await this.lanes.run(placement, () => reached(table.claimOf({ tenantId, rows }, types, LEASE_MS)));
      for (const event of events) this.events.start(event, table, leaseUntil, ring);
      if (events.length === 0) {
        const due = await table.nextDue(tenantId, types);
        if (due !== undefined) this.later(tenantId, placement, Math.max(due, SOONEST_MS));
      }
      this.unreadable.delete(tenantId);
    } catch (error) {
      if (isTurnedAway(error)) return await this.lookForMoved(tenantId, placement);
      // Told once. The next sweep looks again, unless the tenant and its place are gone by then.
      if (!this.unreadable.has(tenantId)) {
        this.logger.error({ err: error, tenant_id: tenantId }, "A tenant's outbox cannot be read; trying again");
      }
      this.unreadable.add(tenantId);
    }
  }

  /** Looks where the tenant is by now, or again in a moment. */
  private async lookForMoved(tenantId: string, was: Placement): Promise<void> {
    const tenant = await this.tenants.findById(tenantId).catch(() => undefined);
    const placement = tenant?.placement ?? was;
    // In the shared tables of the control plane's server it is found without being looked for.
    const found = placement.kind === 'shared' && placement.server === undefined;
    if (!found && tenant?.status !== 'deleted') this.later(tenantId, placement, MOVING_MS);
  }
}

/** What is no answer of the database comes of not reaching it. */
async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof pg.DatabaseError ? error : new PlacementUnavailable(error);
  }
}
