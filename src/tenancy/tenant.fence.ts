import { setTimeout as sleep } from 'node:timers/promises';
import { TenantMoving, UnknownTenant } from './tenancy.errors.js';
import { placeOf } from './tenant.connections.js';
import type { TenantContext } from './tenant.context.js';
import type { TenantDirectory } from './tenant.directory.js';
import type { Tenant } from './tenant.js';

/** SQLSTATEs of `shared.enter`: not served from this place; being switched from it to another. */
const CLOSED = 'TN001';
const PAUSED = 'TN002';

/** How long work for a tenant waits for it to arrive, in ms. */
const PATIENCE_MS = 10_000;
/** Between two attempts, at first and at most, in ms. */
const SOONEST_MS = 4;
const LATEST_MS = 60;

/**
 * SQL: passes the fence of a place until the transaction ends, and opens the tenant's scope in it. Parameters are the
 * tenant's id and the schema that its tables are in.
 */
export const ENTER = 'SELECT shared.enter($1, $2)';

/** SQL: the same, with the time that each of the transaction's statements may take as the third parameter, in ms. */
export const ENTER_FOR = `SELECT set_config('statement_timeout', $3, true), shared.enter($1, $2)`;

/** Whether a place has turned a transaction away at its beginning, so that nothing of it has happened. */
export function isTurnedAway(error: unknown): boolean {
  const code = codeOf(error);
  return code === CLOSED || code === PAUSED;
}

/** Whether it was turned away because its tenant is not served from there. */
export function isClosed(error: unknown): boolean {
  return codeOf(error) === CLOSED;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/**
 * Follows tenants that move. Every transaction of a tenant passes the fence of its place, so that one that comes from a
 * process which has not heard of the move does nothing there.
 */
export class TenantFence {
  private readonly asked = new Map<string, Promise<Tenant | undefined>>();

  constructor(
    private readonly directory: Pick<TenantDirectory, 'findById'>,
    private readonly context: TenantContext,
  ) {}

  /**
   * Repeats what was turned away, wherever the tenant is by then.
   *
   * @param error what it was turned away with
   * @param attempt holds no connection when it has failed
   * @throws TenantMoving when the tenant has not arrived in time; what `attempt` throws otherwise
   */
  async follow<T>(tenant: Tenant, error: unknown, attempt: (tenant: Tenant) => Promise<T>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    let at = tenant;
    let turnedAway = error;
    for (let pause = SOONEST_MS; ; pause = Math.min(pause * 1.5, LATEST_MS)) {
      const next = codeOf(turnedAway) === CLOSED ? await this.whereabouts(at) : at;
      // Nowhere else yet: it is between two places, or about to leave.
      if (next === at) await sleep(pause * (0.5 + Math.random()));
      at = next;
      try {
        return await attempt(at);
      } catch (caught) {
        if (!isTurnedAway(caught)) throw caught;
        if (performance.now() > deadline) throw new TenantMoving(caught);
        turnedAway = caught;
      }
    }
  }

  /** Not from a cache: it is what has proved to be stale. */
  private async whereabouts(tenant: Tenant): Promise<Tenant> {
    const { id } = tenant;
    let lookUp = this.asked.get(id);
    if (!lookUp) {
      lookUp = this.directory.findById(id).finally(() => this.asked.delete(id));
      this.asked.set(id, lookUp);
    }
    const fresh = await lookUp;
    if (!fresh || fresh.status === 'deleted') throw new UnknownTenant();
    if (placeOf(fresh.placement) === placeOf(tenant.placement)) return tenant;
    const moved = Object.freeze({ ...tenant, placement: fresh.placement });
    const store = this.context.store();
    if (store?.tenant?.id === id) store.tenant = moved;
    return moved;
  }
}
