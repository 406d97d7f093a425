import type { Placement } from '../../tenancy/index.js';

/**
 * What a restore goes through. Up to `compare` the tenant knows nothing of it; the others come when the swap is asked for,
 * and from `finish` on it only goes forward.
 */
export const RESTORE_STEPS = ['place', 'load', 'replay', 'compare', 'back-up', 'carry', 'switch', 'finish'] as const;
export type RestoreStep = (typeof RESTORE_STEPS)[number];
export const RESTORE_STATES = ['running', 'ready', 'swapping', 'undoing', 'done', 'failed', 'discarded'] as const;
export type RestoreState = (typeof RESTORE_STATES)[number];

/** How many rows of a table are only in the present one, only in the restored one, in both and not alike, and alike. */
export interface TableDifference {
  only_now: number;
  only_then: number;
  changed: number;
  same: number;
}

/** By table, of those that the swap would rewind. */
export type Difference = Record<string, TableDifference>;

/** A tenant's way back to what it was when a backup was made. */
export interface Restore {
  id: string;
  tenantId: string;
  backupId: string;
  /** The moment that it is to be brought to, on top of the backup, where one was named. */
  until: Date | null;
  state: RestoreState;
  step: RestoreStep;
  /** Where the tenant is served from until the swap. */
  source: Placement;
  /** Where the rows of the backup are, and the tenant after the swap. */
  target: Placement;
  /** Rows that were loaded. */
  rows: number | null;
  difference: Difference | null;
  comparedAt: Date | null;
  /** The backup of how things were before the swap. */
  undoBackupId: string | null;
  /** The move that takes the tenant back to the isolation it had. */
  moveId: string | null;
  /** When that is ordered: until then what was left is kept. */
  movesBackAt: Date | null;
  pauseMs: number | null;
  error: string | null;
  /** Attempts in a row that failed. */
  failures: number;
  createdAt: Date;
  /** When it is discarded, unless somebody has it swapped in. */
  discardAt: Date | null;
  swapRequestedAt: Date | null;
  swappedAt: Date | null;
  finishedAt: Date | null;
}

/** A restore that a worker has in hand. */
export interface HeldRestore extends Restore {
  holder: number;
}

/** Of the table `restores` as `p`; counts are far from where doubles lose precision. */
export const RESTORE_COLUMNS = `p.id, p.tenant_id AS "tenantId", p.backup_id AS "backupId", p.until, p.state, p.step, p.source, p.target,
  p.tenant_rows::float8 AS rows, p.difference, p.compared_at AS "comparedAt", p.undo_backup_id AS "undoBackupId",
  p.move_id AS "moveId", p.moves_back_at AS "movesBackAt", p.pause_ms AS "pauseMs", p.error, p.failures, p.created_at AS "createdAt",
  p.discard_at AS "discardAt", p.swap_requested_at AS "swapRequestedAt", p.swapped_at AS "swappedAt",
  p.finished_at AS "finishedAt"`;
