import { Injectable, Module } from '@nestjs/common';
import { IsInt, IsOptional, IsString } from 'class-validator';
import {
  JobFailure,
  type JobRun,
  PlatformCron,
  PlatformJobHandler,
  TenantCron,
  TenantJobHandler,
} from '../../src/jobs/index.js';
import { TenantContext, TenantTransaction } from '../../src/tenancy/index.js';

export class NotePayload {
  @IsString()
  text: string;

  @IsOptional()
  @IsInt()
  takesMs?: number;
}

export interface Ran {
  name: string;
  tenant: string | undefined;
  text?: string;
  run: JobRun;
  at: number;
}

/** Handlers that write down what they were called with. Each application of a test has its own instance. */
@Injectable()
export class TestJobs {
  readonly ran: Ran[] = [];
  running = 0;
  most = 0;
  /** What a `test.flaky` job does. */
  flaky: (run: JobRun, payload: NotePayload) => Promise<void> | void = () => undefined;

  constructor(
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {}

  of(name: string, text?: string): Ran[] {
    return this.ran.filter((ran) => ran.name === name && (text === undefined || ran.text === text));
  }

  @TenantJobHandler({ name: 'test.note', payload: NotePayload, concurrency: 2, onceInSeconds: 3 })
  async note(payload: NotePayload, run: JobRun): Promise<void> {
    this.transaction.assertNone('A handler');
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    this.write('test.note', run, payload.text);
    if (payload.takesMs) await new Promise((resolve) => setTimeout(resolve, payload.takesMs));
    this.running -= 1;
  }

  @TenantJobHandler({ name: 'test.flaky', payload: NotePayload, retries: 2, backoffSeconds: 1, exponential: false })
  async flaked(payload: NotePayload, run: JobRun): Promise<void> {
    this.write('test.flaky', run, payload.text);
    await this.flaky(run, payload);
  }

  @TenantJobHandler({
    name: 'test.slow',
    payload: NotePayload,
    timeoutSeconds: 1,
    retries: 0,
    idempotencyKey: ({ text }: NotePayload) => text,
  })
  async slow({ text }: NotePayload, run: JobRun): Promise<void> {
    this.write('test.slow', run, text);
    await new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(new Error('aborted'))));
  }

  @PlatformJobHandler({ name: 'platform.note', payload: NotePayload, retries: 0 })
  platform({ text }: NotePayload, run: JobRun): void {
    this.write('platform.note', run, text);
    if (text === 'broken') throw new JobFailure('it is broken', true);
  }

  @PlatformCron('test.tick', '* * * * *')
  tick(run: JobRun): void {
    this.write('test.tick', run);
  }

  @TenantCron('test.tenant-tick', '0 4 1 1 *')
  tenantTick(run: JobRun): void {
    this.write('test.tenant-tick', run);
  }

  private write(name: string, run: JobRun, text?: string): void {
    this.ran.push({ name, tenant: this.context.current()?.slug, text, run, at: performance.now() });
  }
}

@Module({ providers: [TestJobs], exports: [TestJobs] })
export class TestJobsModule {}
