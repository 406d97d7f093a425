import type { Placement } from '../../tenancy/index.js';

/**
 * What a move goes through. Until the end of `switch` it can be taken back, and the tenant is served from where it was; from
 * `finish` on it only goes forward.
 */
export const MOVE_STEPS = ['prepare', 'capture', 'copy', 'follow', 'verify', 'switch', 'finish'] as const;
export type MoveStepName = (typeof MOVE_STEPS)[number];
export type MoveState = 'running' | 'undoing' | 'done' | 'failed' | 'aborted';

/** A tenant's way from one place to another. */
export interface Move {
  id: string;
  tenantId: string;
  state: MoveState;
  step: MoveStepName;
  source: Placement;
  target: Placement;
  /** The table that is being copied, and the key of the last row that was. */
  tableName: string | null;
  lastKey: string | null;
  /** Rows at the source when the copy began. */
  rowsTotal: number;
  rowsCopied: number;
  /** Rows changed meanwhile that were brought after. */
  changesApplied: number;
  /** How often the copy was begun. */
  copies: number;
  /** How often the tenant was paused. */
  pauses: number;
  /** How long the last pause was: from when it began until the tenant was served again. */
  pauseMs: number | null;
  error: string | null;
  /** Attempts in a row that failed. */
  failures: number;
  abortRequestedAt: Date | null;
  createdAt: Date;
  switchedAt: Date | null;
  finishedAt: Date | null;
  /** Until when what is left at the source is kept. */
  keepUntil: Date | null;
  sourceGoneAt: Date | null;
}

export interface MoveStep {
  name: MoveStepName;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** A move that a worker has in hand. */
export interface HeldMove extends Move {
  holder: number;
}

/** Of the table `moves` as `p`; counts are far from where doubles lose precision. */
export const MOVE_COLUMNS = `p.id, p.tenant_id AS "tenantId", p.state, p.step, p.source, p.target, p.table_name AS "tableName",
  p.last_key AS "lastKey", p.rows_total::float8 AS "rowsTotal", p.rows_copied::float8 AS "rowsCopied",
  p.changes_applied::float8 AS "changesApplied", p.copies, p.pauses, p.pause_ms AS "pauseMs", p.error, p.failures,
  p.abort_requested_at AS "abortRequestedAt", p.created_at AS "createdAt", p.switched_at AS "switchedAt",
  p.finished_at AS "finishedAt", p.keep_until AS "keepUntil", p.source_gone_at AS "sourceGoneAt"`;
