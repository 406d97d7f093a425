import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { InjectPlatformDataSource, type Placement, serverOf } from '../../tenancy/index.js';
import { IS_FREE, type PlaceHold } from '../places/place.hold.js';
import { type HeldMove, type Move, MOVE_COLUMNS, MOVE_STEPS, type MoveStep, type MoveStepName } from './move.js';
import { MoveLost } from './move.errors.js';

/** Tells workers that there is something to do about moves. */
export const MOVES_CHANNEL = 'tenantry_moves';

type Queries = Pick<EntityManager, 'query'>;

const UNDER_WAY = `p.state IN ('running', 'undoing')`;
const PLAN = `WITH made AS (
    INSERT INTO moves AS p (id, tenant_id, step, source, target) VALUES ($1, $2, $3, $4, $5) RETURNING ${MOVE_COLUMNS}),
  steps AS (INSERT INTO move_steps (move_id, position, name)
    SELECT made.id, step.position, step.name FROM made, unnest($6::text[]) WITH ORDINALITY AS step (name, position))
  SELECT * FROM made`;
const OF_TENANT = `SELECT ${MOVE_COLUMNS} FROM moves p WHERE p.tenant_id = $1 AND ($3::uuid IS NULL OR p.id < $3)
  ORDER BY p.id DESC LIMIT $2`;
const RUNNING = `SELECT ${MOVE_COLUMNS} FROM moves p WHERE p.tenant_id = $1 AND ${UNDER_WAY}`;
const STEPS = `SELECT move_id AS "moveId", name, started_at AS "startedAt", finished_at AS "finishedAt" FROM move_steps
  WHERE move_id = ANY ($1) ORDER BY position`;
const IS_DUE = `${UNDER_WAY} AND p.next_attempt_at <= now() AND ${IS_FREE}`;
const ANY_DUE = `SELECT 1 FROM moves p WHERE ${IS_DUE} LIMIT 1`;
const CLAIM = `UPDATE moves p SET held_by = $1 FROM (
    SELECT p.id FROM moves p WHERE ${IS_DUE} ORDER BY p.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) due
  WHERE p.id = due.id RETURNING ${MOVE_COLUMNS}, p.held_by::float8 AS holder`;
const HELD = `SELECT ${MOVE_COLUMNS}, p.held_by::float8 AS holder FROM moves p WHERE p.id = $1 AND p.held_by = $2`;
const HELD_LOCKED = `${HELD} FOR UPDATE`;
const KEPT = `SELECT id, source FROM moves WHERE tenant_id = $1 AND state = 'done' AND source_gone_at IS NULL`;
const KEEP = `INSERT INTO moves (id, tenant_id, state, step, source, target, switched_at, finished_at, keep_until)
  VALUES ($1, $2, 'done', 'finish', $3, $4, clock_timestamp(), clock_timestamp(), now() + $5 * interval '1 hour')`;
const BEGIN_STEP = `WITH held AS (UPDATE moves SET step = $3 WHERE id = $1 AND held_by = $2 RETURNING id)
  UPDATE move_steps s
     SET started_at = CASE WHEN s.position > $4 THEN NULL ELSE coalesce(s.started_at, clock_timestamp()) END,
         finished_at = CASE WHEN s.position < $4 THEN coalesce(s.finished_at, clock_timestamp()) END
    FROM held WHERE s.move_id = held.id RETURNING 1`;
const FINISH = `WITH held AS (
    UPDATE moves SET state = $3, error = $4, held_by = NULL, finished_at = clock_timestamp(), table_name = NULL,
           last_key = NULL, keep_until = CASE WHEN $3 = 'done' THEN now() + $5 * interval '1 hour' END
     WHERE id = $1 AND held_by = $2 RETURNING id, state)
  UPDATE move_steps s SET finished_at = coalesce(s.finished_at, clock_timestamp()) FROM held
   WHERE s.move_id = held.id AND s.started_at IS NOT NULL AND held.state = 'done' RETURNING 1`;

/** How far moves are. What a worker notes is noted while it has the move in hand, or not at all. */
@Injectable()
export class MoveStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /** Writes down a move before anything of it happens. */
  async plan(manager: EntityManager, tenantId: string, source: Placement, target: Placement): Promise<Move> {
    const values = [newId(), tenantId, MOVE_STEPS[0], JSON.stringify(source), JSON.stringify(target), MOVE_STEPS];
    const [move] = await manager.query<Move[]>(PLAN, values);
    await this.call(manager);
    return move!;
  }

  /** Newest first. @param before only older ones than this */
  list(tenantId: string, limit: number, before?: string): Promise<Move[]> {
    return this.platform.query<Move[]>(OF_TENANT, [tenantId, limit, before ?? null]);
  }

  async running(tenantId: string, queries: Queries = this.platform): Promise<Move | undefined> {
    return (await queries.query<Move[]>(RUNNING, [tenantId]))[0];
  }

  /** Steps by the id of their move. */
  async steps(ids: string[], queries: Queries = this.platform): Promise<Map<string, MoveStep[]>> {
    const rows = await queries.query<(MoveStep & { moveId: string })[]>(STEPS, [ids]);
    return Map.groupBy(rows, ({ moveId }) => moveId);
  }

  /** Has the move taken back, unless it has gone too far by the time its worker looks. */
  async requestAbort(manager: EntityManager, id: string): Promise<void> {
    await manager.query(
      `UPDATE moves SET abort_requested_at = coalesce(abort_requested_at, now()), next_attempt_at = now() WHERE id = $1`,
      [id],
    );
    await this.call(manager);
  }

  /** Tells every process, when the transaction commits. */
  async call(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_notify($1, '')`, [MOVES_CHANNEL]);
  }

  /** Whether there is one that nobody has in hand and that is due. */
  async isAnyDue(): Promise<boolean> {
    return (await this.platform.query<unknown[]>(ANY_DUE)).length > 0;
  }

  /** Takes a due move in hand; what a process that died had is free. */
  async claim(hold: PlaceHold): Promise<HeldMove | undefined> {
    const [rows] = await this.platform.query<[HeldMove[], number]>(CLAIM, [hold.id]);
    return rows[0];
  }

  /** @throws MoveLost */
  async reload({ id, holder }: HeldMove): Promise<HeldMove> {
    const rows = await this.platform.query<HeldMove[]>(HELD, [id, holder]);
    if (!rows[0]) throw new MoveLost();
    return rows[0];
  }

  /** As it is now, kept so until the transaction ends. @throws MoveLost */
  async lock(manager: EntityManager, { id, holder }: HeldMove): Promise<HeldMove> {
    const rows = await manager.query<HeldMove[]>(HELD_LOCKED, [id, holder]);
    if (!rows[0]) throw new MoveLost();
    return rows[0];
  }

  /** Steps before it are done, those after it not begun. @throws MoveLost */
  async beginStep({ id, holder }: HeldMove, step: MoveStepName, queries: Queries = this.platform): Promise<void> {
    const position = MOVE_STEPS.indexOf(step) + 1;
    const [, changed] = await queries.query<[unknown[], number]>(BEGIN_STEP, [id, holder, step, position]);
    if (changed === 0) throw new MoveLost();
  }

  /** The copy begins, at the first row of the first table. @throws MoveLost */
  copyBegins(move: HeldMove, rowsTotal: number): Promise<void> {
    return this.note(
      move,
      `rows_total = $3, rows_copied = 0, changes_applied = 0, table_name = NULL, last_key = NULL, copies = copies + 1`,
      [rowsTotal],
    );
  }

  /** @param rows copied since the last note. @throws MoveLost */
  copied(move: HeldMove, table: string, lastKey: string | null, rows: number): Promise<void> {
    return this.note(
      move,
      'table_name = $3, last_key = $4, rows_copied = rows_copied + $5, failures = 0, error = NULL',
      [table, lastKey, rows],
    );
  }

  /** @throws MoveLost */
  applied(move: HeldMove, changes: number, queries?: Queries): Promise<void> {
    return this.note(move, 'changes_applied = changes_applied + $3, failures = 0, error = NULL', [changes], queries);
  }

  /** @throws MoveLost */
  paused(move: HeldMove, error: string | null): Promise<void> {
    return this.note(move, 'pauses = pauses + 1, error = $3', [error]);
  }

  /** From now on it only goes forward. @throws MoveLost */
  async switched(manager: EntityManager, move: HeldMove): Promise<void> {
    await this.beginStep(move, 'finish', manager);
    await this.note(
      move,
      'switched_at = coalesce(switched_at, clock_timestamp()), abort_requested_at = NULL',
      [],
      manager,
    );
  }

  notePause(move: HeldMove, ms: number): Promise<void> {
    return this.note(move, 'pause_ms = $3', [Math.round(ms)]);
  }

  /** Gives it back, to be gone on with after `delayMs`. @throws MoveLost */
  postpone(move: HeldMove, delayMs: number, error?: string): Promise<void> {
    // Why it is being taken back stays.
    const reason = `error = CASE state WHEN 'running' THEN $4 ELSE error END, failures = failures + 1,`;
    const failed = error === undefined ? '' : reason;
    return this.note(
      move,
      `${failed} held_by = NULL, next_attempt_at = clock_timestamp() + $3 * interval '1 millisecond'`,
      [delayMs, ...(error === undefined ? [] : [error])],
    );
  }

  /** From now on what was done is taken back. @throws MoveLost */
  undo(move: HeldMove, error: string | null): Promise<void> {
    return this.note(move, `state = 'undoing', error = $3, failures = 0`, [error]);
  }

  /** @param keepHours how long what is left at the source is kept. @throws MoveLost */
  async end(
    manager: EntityManager,
    { id, holder }: HeldMove,
    state: 'done' | 'failed' | 'aborted',
    { error = null, keepHours = 0 }: { error?: string | null; keepHours?: number } = {},
  ): Promise<void> {
    await this.lock(manager, { id, holder } as HeldMove);
    await manager.query(FINISH, [id, holder, state, error, keepHours]);
  }

  /**
   * Notes a change of place that was none of a move's, so that what is left behind is looked after as it is after one.
   *
   * @param keepHours how long it is kept
   */
  async keep(
    manager: EntityManager,
    tenantId: string,
    source: Placement,
    target: Placement,
    keepHours: number,
  ): Promise<void> {
    const values = [newId(), tenantId, JSON.stringify(source), JSON.stringify(target), keepHours];
    await manager.query(KEEP, values);
  }

  /** What earlier moves have kept where this one leads is replaced. @param drop has a kept schema or database dropped */
  async forgetKept(tenantId: string, target: Placement, drop: (kept: Placement) => Promise<void>): Promise<void> {
    const kept = await this.platform.query<{ id: string; source: Placement }[]>(KEPT, [tenantId]);
    for (const { id, source } of kept) {
      if (source.kind !== target.kind || serverOf(source) !== serverOf(target)) continue;
      await drop(source);
      await this.sourceGone(id);
    }
  }

  async sourceGone(id: string, queries: Queries = this.platform): Promise<void> {
    await queries.query('UPDATE moves SET source_gone_at = now() WHERE id = $1', [id]);
  }

  private async note(
    move: HeldMove,
    change: string,
    values: unknown[],
    queries: Queries = this.platform,
  ): Promise<void> {
    const sql = `UPDATE moves SET ${change} WHERE id = $1 AND held_by = $2`;
    const [, changed] = await queries.query<[unknown[], number]>(sql, [move.id, move.holder, ...values]);
    if (changed === 0) throw new MoveLost();
  }
}
