import type { OwnPlace, Placement } from '../tenancy/index.js';

/** Whose outbox is to be looked at, and when. */
interface Appointment {
  placement: Placement;
  /** By this process's monotonic clock. */
  at: number;
}

/**
 * The outboxes of tenants with a place of their own, which are too many to ask all the time: each is looked at when its
 * tenant has added something, when something in it is due, and every now and then in case nobody said so.
 */
export class OwnOutboxes {
  private readonly appointments = new Map<string, Appointment>();

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

  /** Takes out those whose time has come, the longest overdue first. */
  take(most: number): OwnPlace[] {
    const now = performance.now();
    const due = [...this.appointments].filter(([, { at }]) => at <= now).sort(([, a], [, b]) => a.at - b.at);
    return due.slice(0, most).map(([tenantId, { placement }]) => {
      this.appointments.delete(tenantId);
      return { tenantId, placement };
    });
  }
}
