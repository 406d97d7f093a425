import type { Writable } from 'node:stream';

/** What was written, and is not there yet for anybody to see. */
export interface WrittenBackup<T> {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
  made: T;
  /** Makes it the backup of its name, whole and on the disks when this resolves. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * Where backups are. What has a name is whole: one that is being written has none until it is kept, and of one whose
 * process died nothing is ever taken for a backup.
 *
 * A name is the tenant's id and the backup's.
 */
export abstract class BackupStorage {
  /** Whether there is a place for backups at all. */
  abstract readonly available: boolean;

  /** @param work writes into what it is given, which it ends */
  abstract write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenBackup<T>>;

  /** Gives it to `work` as a file on this machine, for as long as that takes. @throws BackupDamaged when there is none */
  abstract local<T>(tenantId: string, id: string, work: (file: string) => Promise<T>): Promise<T>;

  /** Nothing happens when there is none. */
  abstract remove(tenantId: string, id: string): Promise<void>;

  /** Everything of a tenant, also what is being written. */
  abstract removeAll(tenantId: string): Promise<void>;

  /** What processes that died have left unfinished. @returns how much there was */
  abstract removeAbandoned(): Promise<number>;

  /** How much there is of a tenant, whatever the registry says. */
  abstract countOf(tenantId: string): Promise<number>;
}
