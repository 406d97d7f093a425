export type BackupState = 'waiting' | 'running' | 'done' | 'failed';
export const BACKUP_STATES: readonly BackupState[] = ['waiting', 'running', 'done', 'failed'];

/** What the registry knows of a backup. Times are Dates, sizes are bytes. */
export interface Backup {
  id: string;
  tenantId: string;
  state: BackupState;
  scheduled: boolean;
  /** The newest migration of the place that it was read from. */
  migration: string | null;
  rows: number | null;
  bytes: number | null;
  /** Of the file, hexadecimal. */
  sha256: string | null;
  /** A code, without anything of the tenant in it. */
  error: string | null;
  /** As of when the tenant's rows are. */
  madeAt: Date | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/** One that this process makes, for as long as it renews its hold. */
export interface HeldBackup extends Backup {
  lease: string;
}
