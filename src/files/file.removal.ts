import { Injectable, Logger } from '@nestjs/common';
import { type JobRun, TenantJobHandler } from '../jobs/index.js';
import type { ObjectStorage } from '../storage/index.js';
import { TenantContext } from '../tenancy/index.js';
import { FileRows } from './file.rows.js';
import { InjectFileStorage } from './file.storage.js';

/** Files whose bytes are removed between two looks at the time. */
const PAGE = 200;
export const REMOVE_FILES = 'files.remove';

/** Removes what nobody sees any more: first the bytes, then the row, which else nobody would look for. */
@Injectable()
export class FileRemoval {
  private readonly logger = new Logger('Files');

  constructor(
    @InjectFileStorage() private readonly storage: ObjectStorage,
    private readonly rows: FileRows,
    private readonly context: TenantContext,
  ) {}

  /** Of a file of the current tenant that is condemned. What fails is done by the hour. */
  async remove(id: string): Promise<void> {
    const { id: tenantId } = this.context.currentOrThrow('A file');
    try {
      await this.storage.remove(tenantId, id);
      await this.rows.drop(id);
    } catch (error) {
      this.logger.warn({ err: error, tenant_id: tenantId, file_id: id }, 'A file could not be removed; trying later');
    }
  }

  /** All that are condemned: many at once, as those of a person who has left. */
  @TenantJobHandler({ name: REMOVE_FILES, timeoutSeconds: 3600, concurrency: 1 })
  async removeAll({ signal }: Pick<JobRun, 'signal'>): Promise<void> {
    const { id: tenantId } = this.context.currentOrThrow('Files');
    for (;;) {
      const page = await this.rows.condemned(PAGE);
      for (const { id } of page) {
        if (signal.aborted) return;
        await this.storage.remove(tenantId, id);
        await this.rows.drop(id);
      }
      if (page.length < PAGE) return;
    }
  }
}
