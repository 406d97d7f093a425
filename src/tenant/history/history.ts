/** What is being done about the history of a tenant: `off` is said where nothing is known of one. */
export const HISTORY_STATES = ['starting', 'on', 'stopping', 'off'] as const;
export type HistoryState = (typeof HISTORY_STATES)[number];

/** What the registry knows of a history. */
export interface History {
  tenantId: string;
  /** How far back it is to reach. */
  days: number;
  state: Exclude<HistoryState, 'off'>;
  /** From when on every change was captured, by the control plane's clock; null until it is on. */
  since: Date | null;
  /** What was captured before is deleted, or is about to be. */
  trimmedTo: Date | null;
  changedAt: Date;
}

/** What an admin sees of it. */
export interface HistoryStatus {
  state: HistoryState;
  days: number | null;
  since: Date | null;
  /** The first moment that the tenant can be brought back to; null while there is no backup to begin with. */
  reachesBackTo: Date | null;
  /** Changes that are kept, and how much room they take on the disks of the database, without indexes. */
  /** null: too many to be counted for a look. */
  rows: number | null;
  bytes: number | null;
}
