import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { InjectPlatformDataSource, type Placement } from '../../tenancy/index.js';
import { IS_FREE, type PlaceHold } from '../places/place.hold.js';
import {
  type Difference,
  type HeldRestore,
  type Restore,
  RESTORE_COLUMNS,
  RESTORE_STEPS,
  type RestoreState,
  type RestoreStep,
} from './restore.js';
import { RestoreLost } from './restore.errors.js';

/** Tells workers that there is something to do about restores. */
export const RESTORES_CHANNEL = 'tenantry_restores';
/** A restore that nobody has swapped in is discarded after so many days. */
const KEEP_DAYS = 7;

type Queries = Pick<EntityManager, 'query'>;

const IS_OPEN = `p.state IN ('running', 'ready', 'swapping', 'undoing')`;
const PLAN = `INSERT INTO restores AS p (id, tenant_id, backup_id, until, step, source, target)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  RETURNING ${RESTORE_COLUMNS}`;
const OF_TENANT = `SELECT ${RESTORE_COLUMNS} FROM restores p WHERE p.tenant_id = $1 AND ($3::uuid IS NULL OR p.id < $3)
  ORDER BY p.id DESC LIMIT $2`;
const BY_ID = `SELECT ${RESTORE_COLUMNS} FROM restores p WHERE p.tenant_id = $1 AND p.id = $2`;
const OPEN = `SELECT ${RESTORE_COLUMNS} FROM restores p WHERE p.tenant_id = $1 AND ${IS_OPEN}`;
const IS_DUE = `(p.state IN ('running', 'swapping', 'undoing') OR p.state = 'ready' AND p.discard_at <= now())
  AND p.next_attempt_at <= now() AND ${IS_FREE}`;
const ANY_DUE = `SELECT 1 FROM restores p WHERE ${IS_DUE} LIMIT 1`;
const CLAIM = `UPDATE restores p SET held_by = $1 FROM (
    SELECT p.id FROM restores p WHERE ${IS_DUE} ORDER BY p.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) due
  WHERE p.id = due.id RETURNING ${RESTORE_COLUMNS}, p.held_by::float8 AS holder`;
const HELD = `SELECT ${RESTORE_COLUMNS}, p.held_by::float8 AS holder FROM restores p
  WHERE p.id = $1 AND p.held_by = $2 AND p.state = $3`;
const HELD_LOCKED = `${HELD} FOR UPDATE`;
const UNDO = `UPDATE restores SET state = 'undoing', error = $2, failures = 0, next_attempt_at = now(),
    held_by = CASE WHEN $3 THEN NULL ELSE held_by END
  WHERE id = $1 AND state IN ('running', 'ready')`;
const SWAP = `UPDATE restores SET state = 'swapping', step = 'back-up', swap_requested_at = clock_timestamp(), error = NULL,
    -- One of an earlier swap that came to nothing does not know what was written since.
    undo_backup_id = NULL,
    failures = 0, next_attempt_at = now() WHERE id = $1 AND state = 'ready' AND held_by IS NULL RETURNING 1`;

const TAKE_MOVE_BACK = `UPDATE restores p SET moves_back_at = NULL, error = NULL FROM (
    SELECT p.id FROM restores p WHERE p.moves_back_at <= now() LIMIT 1 FOR UPDATE SKIP LOCKED) due
  WHERE p.id = due.id RETURNING ${RESTORE_COLUMNS}`;

/** How far restores are. What a worker notes is noted while it has the restore in hand, in the state it took it in. */
@Injectable()
export class RestoreStore {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /** Writes down a restore before anything of it happens. */
  async plan(
    manager: EntityManager,
    tenantId: string,
    to: { backupId: string; until: Date | null },
    source: Placement,
    target: Placement,
  ): Promise<Restore> {
    const values = [
      newId(),
      tenantId,
      to.backupId,
      to.until,
      RESTORE_STEPS[0],
      JSON.stringify(source),
      JSON.stringify(target),
    ];
    const [restore] = await manager.query<Restore[]>(PLAN, values);
    await this.call(manager);
    return restore!;
  }

  /** Newest first. @param before only older ones than this */
  list(tenantId: string, limit: number, before?: string): Promise<Restore[]> {
    return this.platform.query<Restore[]>(OF_TENANT, [tenantId, limit, before ?? null]);
  }

  async find(tenantId: string, id: string, queries: Queries = this.platform): Promise<Restore | undefined> {
    return (await queries.query<Restore[]>(BY_ID, [tenantId, id]))[0];
  }

  /** The one that is not over yet. */
  async open(tenantId: string, queries: Queries = this.platform): Promise<Restore | undefined> {
    return (await queries.query<Restore[]>(OPEN, [tenantId]))[0];
  }

  /** @returns false when it is not ready */
  async requestSwap(manager: EntityManager, id: string): Promise<boolean> {
    const [, changed] = await manager.query<[unknown[], number]>(SWAP, [id]);
    await this.call(manager);
    return changed > 0;
  }

  /** From now on what was done is taken back. @returns false when it is too late, or being done already */
  async requestEnd(manager: EntityManager, id: string): Promise<boolean> {
    const [, changed] = await manager.query<[unknown[], number]>(UNDO, [id, null, false]);
    await this.call(manager);
    return changed > 0;
  }

  /** The same by the worker itself, which lets go of it. */
  async undo({ id }: HeldRestore, error: string | null): Promise<void> {
    await this.platform.query(UNDO, [id, error, true]);
  }

  /** Tells every process, when the transaction commits. */
  async call(queries: Queries = this.platform): Promise<void> {
    await queries.query(`SELECT pg_notify($1, '')`, [RESTORES_CHANNEL]);
  }

  /** Whether there is one that nobody has in hand and that is due. */
  async isAnyDue(): Promise<boolean> {
    return (await this.platform.query<unknown[]>(ANY_DUE)).length > 0;
  }

  /** Takes a due restore in hand; what a process that died had is free. */
  async claim(hold: PlaceHold): Promise<HeldRestore | undefined> {
    const [rows] = await this.platform.query<[HeldRestore[], number]>(CLAIM, [hold.id]);
    return rows[0];
  }

  /** @throws RestoreLost */
  async reload({ id, holder, state }: HeldRestore): Promise<HeldRestore> {
    const rows = await this.platform.query<HeldRestore[]>(HELD, [id, holder, state]);
    if (!rows[0]) throw new RestoreLost();
    return rows[0];
  }

  /** As it is now, kept so until the transaction ends. @throws RestoreLost */
  async lock(manager: EntityManager, { id, holder, state }: HeldRestore): Promise<HeldRestore> {
    const rows = await manager.query<HeldRestore[]>(HELD_LOCKED, [id, holder, state]);
    if (!rows[0]) throw new RestoreLost();
    return rows[0];
  }

  /** @throws RestoreLost */
  beginStep(restore: HeldRestore, step: RestoreStep, queries?: Queries): Promise<void> {
    return this.note(restore, 'step = $4', [step], queries);
  }

  /** @throws RestoreLost */
  loaded(restore: HeldRestore, rows: number): Promise<void> {
    return this.note(restore, 'tenant_rows = $4', [rows]);
  }

  /** Whoever wants it swapped in can say so from now on. @throws RestoreLost */
  ready(manager: EntityManager, restore: HeldRestore, difference: Difference, comparedAt: Date): Promise<void> {
    return this.note(
      restore,
      `state = 'ready', held_by = NULL, difference = $4, compared_at = $5, failures = 0, error = NULL,
       discard_at = now() + ${KEEP_DAYS} * interval '1 day'`,
      [JSON.stringify(difference), comparedAt],
      manager,
    );
  }

  /** @throws RestoreLost */
  backedUp(restore: HeldRestore, backupId: string): Promise<void> {
    return this.note(restore, 'undo_backup_id = $4', [backupId]);
  }

  /** A swap that came to nothing: the tenant is served as before, and the restore as good as it was. @throws RestoreLost */
  notSwapped(restore: HeldRestore, error: string): Promise<void> {
    return this.note(restore, `state = 'ready', held_by = NULL, error = $4, failures = 0`, [error]);
  }

  /** From now on it only goes forward. @throws RestoreLost */
  async swapped(manager: EntityManager, restore: HeldRestore): Promise<void> {
    const change = `step = 'finish', swapped_at = coalesce(swapped_at, clock_timestamp()), error = NULL, failures = 0`;
    await this.note(restore, change, [], manager);
  }

  notePause(restore: HeldRestore, ms: number): Promise<void> {
    return this.note(restore, 'pause_ms = $4', [Math.round(ms)]);
  }

  /** Gives it back, to be gone on with after `delayMs`. @throws RestoreLost */
  postpone(restore: HeldRestore, delayMs: number, error?: string): Promise<void> {
    // Why it is being taken back stays.
    const failed = `failures = failures + 1, error = CASE state WHEN 'undoing' THEN error ELSE $5 END,`;
    return this.note(
      restore,
      `${error === undefined ? '' : failed} held_by = NULL,
       next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond'`,
      [delayMs, ...(error === undefined ? [] : [error])],
    );
  }

  /** @throws RestoreLost */
  end(manager: EntityManager, restore: HeldRestore, state: RestoreState, error: string | null): Promise<void> {
    const change = 'state = $4, error = $5, held_by = NULL, discard_at = NULL, finished_at = clock_timestamp()';
    return this.note(restore, change, [state, error], manager);
  }

  /** Has the tenant taken back to where it was once what is kept there is given up. */
  async movesBackIn(manager: EntityManager, { id }: Restore, hours: number): Promise<void> {
    await manager.query(
      `UPDATE restores SET moves_back_at = clock_timestamp() + $2 * interval '1 hour' WHERE id = $1`,
      [id, hours],
    );
  }

  /** @returns one whose tenant is to be moved back by now, and which nobody else sees any more, if there is one */
  async takeMoveBack(manager: EntityManager): Promise<Restore | undefined> {
    const [rows] = await manager.query<[Restore[], number]>(TAKE_MOVE_BACK);
    return rows[0];
  }

  /** @param error why there is no such move */
  async movesBack(manager: EntityManager, { id }: Restore, moveId: string | null, error: string | null): Promise<void> {
    await manager.query('UPDATE restores SET move_id = $2, error = $3 WHERE id = $1', [id, moveId, error]);
  }

  private async note(
    { id, holder, state }: HeldRestore,
    change: string,
    values: unknown[],
    queries: Queries = this.platform,
  ): Promise<void> {
    const sql = `UPDATE restores SET ${change} WHERE id = $1 AND held_by = $2 AND state = $3`;
    const [, changed] = await queries.query<[unknown[], number]>(sql, [id, holder, state, ...values]);
    if (changed === 0) throw new RestoreLost();
  }
}
