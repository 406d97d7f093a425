import { Injectable, Logger } from '@nestjs/common';
import { timeOf } from '../common/index.js';
import { type JobRun, PlatformCron } from '../jobs/index.js';
import type { ObjectStorage } from '../storage/index.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { FileRows } from './file.rows.js';
import { InjectFileStorage } from './file.storage.js';

/**
 * As long an object without a row stays, in ms, from when its file was made: who restores the tenant, or the whole database,
 * to an earlier state may come back to a later one.
 */
const KEPT_MS = 8 * 24 * 3600 * 1000;

/** Removes from the store what no row leads to. */
@Injectable()
export class FileSweep {
  private readonly logger = new Logger('Files');

  constructor(
    @InjectFileStorage() private readonly storage: ObjectStorage,
    private readonly rows: FileRows,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  @PlatformCron('files.abandoned', '37 * * * *', { timeoutSeconds: 3000 })
  async removeAbandoned(): Promise<void> {
    await this.storage.removeAbandoned();
  }

  /** Of tenants that are known here alone: others may share the store. */
  @PlatformCron('files.orphans', '13 4 * * *', { timeoutSeconds: 6 * 3600 })
  async removeOrphans({ signal }: Pick<JobRun, 'signal'>): Promise<void> {
    for await (const tenantId of this.storage.tenants()) {
      if (signal.aborted) return;
      const tenant = await this.tenants.findById(tenantId);
      if (!tenant || tenant.status === 'deleted' || tenant.status === 'provisioning') continue;
      try {
        await this.runner.run(tenant, () => this.removeOrphansOf(tenantId, signal));
      } catch (error) {
        this.logger.error({ err: error, tenant_id: tenantId }, 'Files of a tenant could not be looked through');
      }
    }
  }

  private async removeOrphansOf(tenantId: string, signal: AbortSignal): Promise<void> {
    for await (const ids of this.storage.idsOf(tenantId)) {
      const old = ids.filter((id) => timeOf(id).getTime() < Date.now() - KEPT_MS);
      const present = old.length > 0 ? await this.rows.present(old) : new Set();
      for (const id of old) {
        if (signal.aborted) return;
        if (present.has(id)) continue;
        await this.storage.remove(tenantId, id);
        this.logger.warn({ tenant_id: tenantId, file_id: id }, 'An object that is no file of its tenant was removed');
      }
    }
  }
}
