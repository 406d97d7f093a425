import { SetMetadata } from '@nestjs/common';

export type Class<T> = new () => T;

/** What a handler is told of its job, beside the payload. */
export interface JobRun {
  /** The same at every attempt: what a handler deduplicates its effects by. */
  id: string;
  /** 1 for the first. */
  attempt: number;
  /** Aborted when the time is up, the hold on the job is lost or the process stops; the work should end soon after. */
  signal: AbortSignal;
}

/** How the jobs of one name run. */
export interface JobOptions<P extends object = object> {
  /** `noun.verb`, such as `report.build`. */
  name: string;
  /** Checked by class-validator when the job is enqueued and again before it runs; without it there is no payload. */
  payload?: Class<P>;
  /** Attempts after the first; default 5. */
  retries?: number;
  /** Before the second attempt; doubles with each, with jitter, unless `exponential` is false. Default 5. */
  backoffSeconds?: number;
  exponential?: boolean;
  /** The signal is aborted after this long; default 300. */
  timeoutSeconds?: number;
  /** Jobs of this name at the same time in one process; default 4. */
  concurrency?: number;
  /** A key given to a job that was done keeps another with it from running for this long; default 3600. */
  onceInSeconds?: number;
  /** The key of a job that is enqueued without one. */
  idempotencyKey?: (payload: P) => string;
}

/** How a cron runs. */
export interface CronOptions extends Omit<JobOptions, 'name' | 'payload' | 'idempotencyKey'> {
  /** An IANA time zone; default UTC. */
  timeZone?: string;
}

export interface JobDeclaration extends JobOptions {
  scope: 'tenant' | 'platform';
  cron?: { expression: string; timeZone: string };
}

/** A cron expression; or what the provider says, once it is made, and undefined when there is to be no such cron. */
export type CronTime<T = never> = string | ((provider: T) => string | undefined);

/** As it is written at a method: when a cron is due may be known by its provider alone. */
export interface DeclaredMethod extends Omit<JobDeclaration, 'cron'> {
  cron?: { expression: CronTime; timeZone: string };
}

export const JOB = 'tenantry:job';
const NAME = /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/;
const MAX_NAME = 60;

/**
 * Declares the method as the handler of a tenant's jobs of this name. It is called with the payload and a
 * {@link JobRun}, in the scope of the job's tenant, at least once for each job.
 */
export const TenantJobHandler = <P extends object>(options: JobOptions<P>): MethodDecorator =>
  declare({ ...(options as unknown as JobOptions), scope: 'tenant' });

/** The same for jobs of no tenant, in the platform's scope. */
export const PlatformJobHandler = <P extends object>(options: JobOptions<P>): MethodDecorator =>
  declare({ ...(options as unknown as JobOptions), scope: 'platform' });

/**
 * Runs the method at the times of a cron expression, in one process; never two runs at once: a time that comes while
 * one is waiting or running is left out, and after a pause one run makes up for those missed.
 */
export const PlatformCron = <T = never>(
  name: string,
  expression: CronTime<T>,
  options: CronOptions = {},
): MethodDecorator =>
  declare({
    ...options,
    name,
    scope: 'platform',
    cron: { expression: expression as CronTime, timeZone: options.timeZone ?? 'UTC' },
  });

/** Runs the method at the times of a cron expression for every active tenant, each as a job of that tenant. */
export const TenantCron = (name: string, expression: string, options: CronOptions = {}): MethodDecorator =>
  declare({ ...options, name, scope: 'tenant', cron: { expression, timeZone: options.timeZone ?? 'UTC' } });

function declare(declaration: DeclaredMethod): MethodDecorator {
  const { name } = declaration;
  if (!NAME.test(name) || name.length > MAX_NAME) throw new Error(`"${name}" is no name of a job; use noun.verb.`);
  return SetMetadata(JOB, declaration);
}
