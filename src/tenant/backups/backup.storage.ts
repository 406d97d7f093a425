import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { ObjectStorage, WrittenObject } from '../../storage/index.js';
import type { ArchiveSpool } from '../archive/archive.spool.js';
import { BackupDamaged, BackupsOff } from './backup.errors.js';

/** Where backups are. A name is the tenant's id and the backup's. */
export class BackupStorage implements OnApplicationShutdown {
  /** @param objects undefined when there is no place for backups */
  constructor(
    private readonly objects: (ObjectStorage & Partial<OnApplicationShutdown>) | undefined,
    private readonly spool: ArchiveSpool,
  ) {}

  onApplicationShutdown(): void {
    this.objects?.onApplicationShutdown?.();
  }

  /** Whether there is a place for backups at all. */
  get available(): boolean {
    return this.objects !== undefined;
  }

  /** @param work writes into what it is given, which it ends @throws BackupsOff, BackupStoreFailed */
  async write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenObject<T>> {
    return this.demand().write(tenantId, id, work);
  }

  /** Gives it to `work` as a file on this machine, for as long as that takes. @throws BackupDamaged when there is none */
  async local<T>(tenantId: string, id: string, work: (file: string) => Promise<T>): Promise<T> {
    const objects = this.demand();
    const file = objects.fileOf(tenantId, id);
    if (file === undefined) return this.fetched(objects, tenantId, id, work);
    try {
      await stat(file);
    } catch (error) {
      throw new BackupDamaged(id, 'its file is not there', error);
    }
    return work(file);
  }

  /** Nothing happens when there is none. */
  async remove(tenantId: string, id: string): Promise<void> {
    await this.demand().remove(tenantId, id);
  }

  /** Everything of a tenant, also what is being written. */
  async removeAll(tenantId: string): Promise<void> {
    await this.demand().removeAll(tenantId);
  }

  /** What processes that died have left unfinished. @returns how much there was */
  async removeAbandoned(): Promise<number> {
    return this.demand().removeAbandoned();
  }

  /** How much there is of a tenant, whatever the registry says. */
  async countOf(tenantId: string): Promise<number> {
    return this.demand().countOf(tenantId);
  }

  private async fetched<T>(
    objects: ObjectStorage,
    tenantId: string,
    id: string,
    work: (file: string) => Promise<T>,
  ): Promise<T> {
    const body = await objects.open(tenantId, id);
    if (!body) throw new BackupDamaged(id, 'its object is not there');
    try {
      return await this.spool.upload(body, work);
    } finally {
      body.destroy();
    }
  }

  private demand(): ObjectStorage {
    if (!this.objects) throw new BackupsOff();
    return this.objects;
  }
}
