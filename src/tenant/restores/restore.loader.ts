import { Inject, Injectable, Logger } from '@nestjs/common';
import type pg from 'pg';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { ArchiveInvalid } from '../archive/archive.errors.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import { checkArchiveVersion } from '../archive/archive.version.js';
import { loadFiles } from '../archive/file.loader.js';
import { RowLoader, type RowWriter } from '../archive/row.loader.js';
import { BackupDamaged, UnknownBackup } from '../backups/backup.errors.js';
import { TenantBackups } from '../backups/tenant.backups.js';
import type { MovePlace } from '../moves/move.place.js';

const SCOPE = `SELECT set_config('app.tenant_id', $1, true), set_config('search_path', quote_ident($2), true)`;

/** Brings what is in a backup to a place where nobody is served. */
@Injectable()
export class RestoreLoader {
  private readonly logger = new Logger('Restores');

  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly backups: TenantBackups,
    private readonly rules: ArchiveRules,
  ) {}

  /**
   * All of it or nothing, under the ids that the rows had. What is there of the tenant goes.
   *
   * @param place closed to the tenant
   * @param check called often, at little cost; throws where the work is to end
   * @returns how many rows there are now
   * @throws UnknownBackup, BackupDamaged, ArchiveVersionRefused, ArchiveInvalid
   */
  async load(backupId: string, place: MovePlace, check: () => Promise<void>): Promise<number> {
    await this.backups.verify(backupId);
    await check();
    await place.empty(await place.tables(), check);
    return place.within(() => this.fill(backupId, place, check));
  }

  /**
   * Brings back those files of the tenant, whose scope this is, that have gone since. May be repeated. The restored rows are
   * in service by then: a file that cannot be had back is in the log, and keeps nobody waiting.
   */
  async bringFiles(backupId: string, tenantId: string): Promise<void> {
    const told = (error: unknown, id?: string): void =>
      this.logger.error({ err: error, backup_id: backupId, tenant_id: tenantId, id }, 'A file could not be restored');
    try {
      await this.backups.read(backupId, (parts) =>
        loadFiles(parts, this.rules, { idOf: (id) => id, refused: ({ id }, error) => told(error, id) }),
      );
    } catch (error) {
      if (!(error instanceof UnknownBackup || error instanceof BackupDamaged || error instanceof ArchiveInvalid))
        throw error;
      told(error);
    }
  }

  private async fill(backupId: string, { client, tenantId, schema }: MovePlace, check: () => Promise<void>) {
    await client.query(SCOPE, [tenantId, schema]);
    const takeover = { fromId: tenantId, toId: tenantId, credentials: true, restored: true };
    const loader = new RowLoader(writerOf(client), this.rules, takeover, schema);
    await loader.begin();
    return this.backups.read(backupId, async (parts) => {
      let ended = false;
      for await (const part of parts) {
        if (part.kind === 'manifest') {
          if (part.manifest.tenant.id !== tenantId) throw new BackupDamaged(backupId, 'it is of another tenant');
          checkArchiveVersion(this.database.migrations, part.manifest);
        }
        if (part.kind === 'table') await loader.table(part.table, part.columns);
        if (part.kind === 'rows') await loader.rows(part.rows);
        ended = part.kind === 'end';
        await check();
      }
      if (!ended) throw new ArchiveInvalid('it is cut short');
      return loader.counts.taken;
    });
  }
}

function writerOf(client: pg.Client): RowWriter {
  return { query: async (sql, values) => (await client.query(sql, values)).rows as never };
}
