import { Inject, Injectable, Logger } from '@nestjs/common';
import { IsUUID } from 'class-validator';
import { AppError } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { JobFailure, type JobRun, PlatformCron, PlatformJobHandler, PlatformJobs } from '../../jobs/index.js';
import type { Backup } from './backup.js';
import { BackupLost, UnknownBackup } from './backup.errors.js';
import { BackupStorage } from './backup.storage.js';
import { BackupStore } from './backup.store.js';
import { TenantBackups } from './tenant.backups.js';

export class BackupOrder {
  @IsUUID()
  backup_id: string;
}

/** Makes backups when they are due, and removes those that are past their time. */
@Injectable()
export class BackupJobs {
  private readonly logger = new Logger('Backups');
  readonly schedule: string | undefined;

  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly backups: TenantBackups,
    private readonly store: BackupStore,
    private readonly storage: BackupStorage,
    private readonly jobs: PlatformJobs,
  ) {
    this.schedule = env.backupSchedule;
  }

  /** Has one made by a worker. @throws UnknownTenant, BackupsOff */
  async order(name: string, scheduled = false): Promise<Backup> {
    const backup = await this.backups.begin(name, scheduled);
    await this.jobs.enqueue('backup.make', { backup_id: backup.id }, { about: backup.tenantId, key: backup.id });
    return backup;
  }

  /** One at a time in each process: they read whole tenants. */
  @PlatformJobHandler({
    name: 'backup.make',
    payload: BackupOrder,
    retries: 5,
    backoffSeconds: 20,
    timeoutSeconds: 4 * 3600,
    concurrency: 1,
  })
  async make({ backup_id: id }: BackupOrder, { signal }: JobRun): Promise<void> {
    try {
      if (!(await this.backups.make(id, { signal, resumable: true }))) throw new JobFailure('another process makes it');
    } catch (error) {
      if (error instanceof JobFailure || signal.aborted) throw error;
      // Its tenant is gone, or another process took it over.
      if (error instanceof UnknownBackup || error instanceof BackupLost) return;
      this.logger.error({ err: error, backup_id: id }, 'A tenant could not be backed up');
      throw new JobFailure(error instanceof AppError ? error.code : 'failed', true, { cause: error });
    }
  }

  @PlatformCron<BackupJobs>('backups.run', ({ schedule }) => schedule, { timeoutSeconds: 3600 })
  async run({ signal }: JobRun): Promise<void> {
    for (const id of await this.backups.everybody()) {
      if (signal.aborted) return;
      // One that goes meanwhile keeps no other waiting.
      await this.order(id, true).catch((error: unknown) => {
        this.logger.error({ err: error, tenant_id: id }, 'A backup could not be ordered');
      });
    }
  }

  @PlatformCron('backups.sweep', '47 * * * *', { timeoutSeconds: 3000 })
  async sweep({ signal }: JobRun): Promise<void> {
    if (!this.storage.available) return;
    await this.store.giveUp();
    await this.storage.removeAbandoned();
    for (;;) {
      const old = await this.store.old(this.env.backupKeepDays);
      if (old.length === 0) return;
      for (const { id, tenantId } of old) {
        if (signal.aborted) return;
        // The file first: what has no row any more would be looked for by nobody.
        await this.storage.remove(tenantId, id);
        await this.store.forget(id);
      }
    }
  }
}
