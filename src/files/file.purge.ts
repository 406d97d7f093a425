import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, HourlyPurge, PlaceDirectory, type PreparedDatabase, type PurgeRun } from '../database/index.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { FileRemoval } from './file.removal.js';
import { DEAD_AFTER_MS, FileRows } from './file.rows.js';

/** Left by processes that died, and by a store that was away. */
const LEFT = `SELECT tenant_id, id FROM tenant_files
  WHERE state <> 'stored' AND touched_at < now() - (CASE state WHEN 'pending' THEN $1 ELSE 600000 END) * interval '1 millisecond'
  ORDER BY touched_at LIMIT $2`;
interface Left {
  tenant_id: string;
  id: string;
}

/** At one place in one run. */
const MOST = 5000;

type FilesPurged = Record<'files', number>;

/**
 * Removes files that did not come to their end. It looks at every place, but what it does is done in the scope of the
 * tenant: a place that the tenant has left may say of a file what is no longer true.
 */
@Injectable()
export class FilePurge extends HourlyPurge<FilesPurged> {
  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    places: PlaceDirectory,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly rows: FileRows,
    private readonly removal: FileRemoval,
  ) {
    super(database, places);
  }

  protected async ofTenants(run: PurgeRun): Promise<Partial<FilesPurged>> {
    const left = await run.client.query<Left>(LEFT, [DEAD_AFTER_MS, MOST]);
    let files = 0;
    for (const { tenant_id: tenantId, id } of left.rows) {
      if (run.stopping) break;
      const tenant = await this.tenants.findById(tenantId);
      if (!tenant) continue;
      try {
        files += (await this.runner.run(tenant, () => this.settle(id))) ? 1 : 0;
      } catch (error) {
        this.logger.error(
          { err: error, tenant_id: tenantId, file_id: id },
          'What is left of a file could not be removed',
        );
      }
    }
    return { files };
  }

  /** @returns false where at the tenant's own place it is nothing of the kind */
  private async settle(id: string): Promise<boolean> {
    if (!(await this.rows.condemnDead(id)) && !(await this.rows.isCondemned(id))) return false;
    await this.removal.remove(id);
    return true;
  }
}
