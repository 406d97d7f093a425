import { Injectable } from '@nestjs/common';
import { IsISO8601 } from 'class-validator';
import { type JobRun, TenantCron, TenantJobHandler, TenantJobs } from '../../src/jobs/index.js';

export class ReportPayload {
  @IsISO8601()
  month: string;
}

@Injectable()
export class ReportJobs {
  constructor(private readonly jobs: TenantJobs) {}

  /** Called by a controller or service, inside the tenant's scope and, if one is open, its transaction. */
  async order(month: string): Promise<void> {
    await this.jobs.enqueue('report.build', { month }, { key: month });
  }

  @TenantJobHandler({ name: 'report.build', payload: ReportPayload, retries: 5, timeoutSeconds: 60 })
  async build({ month }: ReportPayload, run: JobRun): Promise<void> {
    // In the tenant's scope: repositories find that tenant's rows and no others.
    await writeReport(month, { id: run.id, signal: run.signal });
  }

  @TenantCron('report.monthly', '0 3 1 * *')
  async monthly(): Promise<void> {
    await this.order(new Date().toISOString().slice(0, 7));
  }
}
// docs end here
async function writeReport(month: string, { id, signal }: { id: string; signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted();
  await Promise.resolve(`${month} ${id}`);
}
