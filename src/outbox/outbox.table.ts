import pg from 'pg';
import { ENTER, isClosed, type MaintainedPlace, type Placement } from '../tenancy/index.js';

/** A relay's hold on an event. `attempts` fences it: whoever claims the row next has another number. */
export interface Claim {
  tenantId: string;
  id: string;
  attempts: number;
}

export interface ClaimedEvent extends Claim {
  type: string;
  payload: Buffer;
}

/** An event that was given up, without its payload. */
export interface DeadEvent {
  tenantId: string;
  id: string;
  type: string;
  attempts: number;
  createdAt: Date;
  deadAt: Date;
  lastError: string | null;
}

/** How many of a tenant's events to take. */
export interface Share {
  tenantId: string;
  rows: number;
}

/** SQL: the tenant of `e` is served from here, and not only kept here, or on its way. */
const SERVED = 'NOT EXISTS (SELECT FROM shared.closures c WHERE c.tenant_id = e.tenant_id AND c.place = <place>)';
/** Those whose fence is passed for the rest of the transaction. What is closed shows to the statements after this one. */
const ADMIT = `SELECT tenant_id AS id FROM unnest($1::uuid[]) AS t (tenant_id)
  WHERE pg_try_advisory_xact_lock_shared(shared.fence_key(tenant_id))`;
const CLAIM = `WITH due AS MATERIALIZED (
    SELECT d.tenant_id, d.id FROM unnest($1::uuid[], $2::int[]) AS share (tenant_id, rows)
     CROSS JOIN LATERAL (
       SELECT e.tenant_id, e.id FROM outbox_events e
        WHERE e.tenant_id = share.tenant_id AND e.dead_at IS NULL AND e.next_attempt_at <= now()
          AND e.type = ANY ($3) AND ${SERVED}
        ORDER BY e.next_attempt_at, e.id LIMIT share.rows FOR UPDATE SKIP LOCKED) d)
  UPDATE outbox_events e
     SET attempts = e.attempts + 1, next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond'
    FROM due WHERE e.tenant_id = due.tenant_id AND e.id = due.id
  RETURNING e.tenant_id AS "tenantId", e.id, e.attempts, e.type, e.payload`;
const OWNER = 'SELECT tenant_id AS "tenantId" FROM outbox_events WHERE id = $1 AND dead_at IS NOT NULL';
const REVIVE = `UPDATE outbox_events e SET dead_at = NULL, attempts = 0, next_attempt_at = clock_timestamp()
   FROM (SELECT tenant_id, id, attempts FROM outbox_events WHERE id = $1 AND dead_at IS NOT NULL FOR UPDATE) d
  WHERE e.tenant_id = d.tenant_id AND e.id = d.id
RETURNING e.tenant_id AS "tenantId", e.type, d.attempts`;
const NEXT_DUE = `SELECT extract(epoch FROM min(next_attempt_at) - clock_timestamp())::float8 * 1000 AS due
   FROM outbox_events WHERE tenant_id = $1 AND dead_at IS NULL AND type = ANY ($2)`;

/**
 * The outbox of one place, across the tenants there, as the maintenance role. What changes an event passes the fence of its
 * tenant: where that has moved, it changes nothing. Every act is a transaction of its own.
 */
export class OutboxTable {
  constructor(
    readonly placement: Placement,
    private readonly place: MaintainedPlace,
  ) {}

  /**
   * Steps through tenants with pending events, in the order of their ids, without reading the rows between them.
   *
   * @param after the tenant to start behind
   * @param limit how many tenants to look at
   */
  async pendingTenants(after: string, types: string[], limit: number): Promise<{ tenantId: string; due: boolean }[]> {
    const { rows } = await this.place.query<{ tenantId: string; due: boolean }>(
      this.here(`WITH RECURSIVE pending AS (
         (SELECT tenant_id FROM outbox_events WHERE dead_at IS NULL AND tenant_id > $1 ORDER BY tenant_id LIMIT 1)
         UNION ALL
         SELECT (SELECT e.tenant_id FROM outbox_events e WHERE e.dead_at IS NULL AND e.tenant_id > p.tenant_id
                  ORDER BY e.tenant_id LIMIT 1)
           FROM pending p WHERE p.tenant_id IS NOT NULL)
       SELECT p.tenant_id AS "tenantId",
              EXISTS (SELECT 1 FROM outbox_events e WHERE e.tenant_id = p.tenant_id AND e.dead_at IS NULL
                         AND e.next_attempt_at <= now() AND e.type = ANY ($2) AND ${SERVED}) AS due
         FROM pending p WHERE p.tenant_id IS NOT NULL LIMIT $3`),
      [after, types, limit],
    );
    return rows;
  }

  /** Takes due events, each for `leaseMs`; those that another relay is taking, and tenants that move, are passed over. */
  async claim(shares: Share[], types: string[], leaseMs: number): Promise<ClaimedEvent[]> {
    return this.place.withClient(async (client) => {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      try {
        const admitted = await client.query<{ id: string }>(ADMIT, [shares.map((share) => share.tenantId)]);
        const ids = new Set(admitted.rows.map(({ id }) => id));
        const open = shares.filter(({ tenantId }) => ids.has(tenantId));
        const { rows } = await client.query<ClaimedEvent>(this.here(CLAIM), this.valuesOf(open, types, leaseMs));
        await client.query('COMMIT');
        return rows;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  /** The same for one tenant. @throws what the fence turns it away with */
  async claimOf(share: Share, types: string[], leaseMs: number): Promise<ClaimedEvent[]> {
    const values = this.valuesOf([share], types, leaseMs);
    return (await this.place.queryFor<ClaimedEvent>(share.tenantId, this.here(CLAIM), values)).rows;
  }

  /** @param claims of one tenant. @returns the ids of those that still hold */
  async renew(tenantId: string, claims: Claim[], leaseMs: number): Promise<Set<string>> {
    const { rows } = await this.place.queryFor<{ id: string }>(
      tenantId,
      this.here(`UPDATE outbox_events e SET next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond'
         FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS held (tenant_id, id, attempts)
        WHERE e.tenant_id = held.tenant_id AND e.id = held.id AND e.attempts = held.attempts AND e.dead_at IS NULL
       RETURNING e.id`),
      [claims.map((c) => c.tenantId), claims.map((c) => c.id), claims.map((c) => c.attempts), leaseMs],
    );
    return new Set(rows.map((row) => row.id));
  }

  async done({ tenantId, id, attempts }: Claim): Promise<void> {
    const sql = this.here(`DELETE FROM outbox_events WHERE tenant_id = $1 AND id = $2 AND attempts = $3`);
    await this.place.queryFor(tenantId, sql, [tenantId, id, attempts]);
  }

  /** @param retryMs how long until the next attempt; undefined gives the event up */
  async failed({ tenantId, id, attempts }: Claim, reason: string, retryMs: number | undefined): Promise<void> {
    await this.place.queryFor(
      tenantId,
      this.here(`UPDATE outbox_events
          SET last_error = $4, next_attempt_at = clock_timestamp() + coalesce($5::float8, 0) * interval '1 millisecond',
              dead_at = CASE WHEN $5::float8 IS NULL THEN clock_timestamp() END
        WHERE tenant_id = $1 AND id = $2 AND attempts = $3`),
      [tenantId, id, attempts, reason, retryMs ?? null],
    );
  }

  /** Types that wait for a handler nobody here has. */
  async strangers(types: string[]): Promise<{ type: string; waiting: number }[]> {
    const { rows } = await this.place.query<{ type: string; waiting: number }>(
      this.here(`SELECT type, count(*)::int AS waiting FROM outbox_events e
        WHERE dead_at IS NULL AND type <> ALL ($1) AND next_attempt_at < now() - interval '1 minute' AND ${SERVED}
        GROUP BY type`),
      [types],
    );
    return rows;
  }

  async counts(): Promise<{ pending: number; dead: number }> {
    const { rows } = await this.place.query<{ pending: number; dead: number }>(
      this.here(`SELECT (SELECT count(*)::int FROM outbox_events e WHERE dead_at IS NULL AND ${SERVED}) AS pending,
              (SELECT count(*)::int FROM outbox_events e WHERE dead_at IS NOT NULL AND ${SERVED}) AS dead`),
      [],
    );
    return rows[0]!;
  }

  /** @param before an id; only older ones */
  async dead(limit: number, before?: string): Promise<DeadEvent[]> {
    const { rows } = await this.place.query<DeadEvent>(
      this.here(`SELECT tenant_id AS "tenantId", id, type, attempts, created_at AS "createdAt", dead_at AS "deadAt",
              last_error AS "lastError"
         FROM outbox_events e WHERE dead_at IS NOT NULL AND ($1::uuid IS NULL OR id < $1) AND ${SERVED}
        ORDER BY id DESC LIMIT $2`),
      [before, limit],
    );
    return rows;
  }

  /**
   * Makes a dead event due again, with all its attempts.
   *
   * @param record runs before it is committed; what it throws takes it back
   * @returns whether there was one, and its tenant is served from here
   * @throws what the fence turns it away with while the tenant is at the switch
   */
  async revive(id: string, record: (event: Pick<DeadEvent, 'tenantId' | 'type' | 'attempts'>) => Promise<void>) {
    return this.place.withClient(async (client) => {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      try {
        const [owner] = (await client.query<{ tenantId: string }>(this.here(OWNER), [id])).rows;
        if (owner) await client.query(ENTER, [owner.tenantId, this.place.schema]);
        const { rows } = await client.query<Pick<DeadEvent, 'tenantId' | 'type' | 'attempts'>>(this.here(REVIVE), [id]);
        if (rows[0]) await record(rows[0]);
        await client.query('COMMIT');
        return rows.length > 0;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        if (isClosed(error)) return false;
        throw error;
      }
    });
  }

  /** When the tenant's next event of these types is due, in ms from now; undefined when none waits. */
  async nextDue(tenantId: string, types: string[]): Promise<number | undefined> {
    const { rows } = await this.place.query<{ due: number | null }>(this.here(NEXT_DUE), [tenantId, types]);
    return rows[0]?.due ?? undefined;
  }

  private valuesOf(shares: Share[], types: string[], leaseMs: number): unknown[] {
    return [shares.map((share) => share.tenantId), shares.map((share) => share.rows), types, leaseMs];
  }

  /** A statement with the table's full name: one connection serves the tables of many schemas. */
  private here(sql: string): string {
    return sql
      .replaceAll('outbox_events', this.place.table('outbox_events'))
      .replaceAll('<place>', pg.escapeLiteral(this.place.schema));
  }
}
