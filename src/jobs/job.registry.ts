import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { type DeclaredMethod, JOB, type JobDeclaration, type JobRun } from './job.decorators.js';
import { JobPayloadInvalid, UnknownJob } from './job.errors.js';

export interface JobDefinition extends JobDeclaration {
  retries: number;
  backoffSeconds: number;
  exponential: boolean;
  timeoutSeconds: number;
  concurrency: number;
  onceInSeconds: number;
  /** Never queued while one is queued or running. */
  exclusive: boolean;
  handle(payload: unknown, run: JobRun): Promise<unknown>;
}

/** Enqueues a tenant cron's job for every active tenant. */
export type FanOut = (name: string, run: JobRun) => Promise<void>;

/** What decorated methods declare, found when it is first asked for. */
@Injectable()
export class JobRegistry {
  private definitions: Map<string, JobDefinition> | undefined;
  private fanOut: FanOut | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** For the crons, which make one job per tenant out of one occurrence. */
  useFanOut(fanOut: FanOut): void {
    this.fanOut = fanOut;
  }

  all(): JobDefinition[] {
    return [...this.found().values()];
  }

  find(name: string): JobDefinition | undefined {
    return this.found().get(name);
  }

  /** @throws UnknownJob */
  get(name: string, scope: JobDefinition['scope']): JobDefinition {
    const definition = this.find(name);
    if (definition?.scope !== scope) throw new UnknownJob(name, scope);
    return definition;
  }

  private found(): Map<string, JobDefinition> {
    if (this.definitions) return this.definitions;
    const definitions = new Map<string, JobDefinition>();
    const add = (definition: JobDefinition): void => {
      if (definitions.has(definition.name)) throw new Error(`Job ${definition.name} has two handlers.`);
      definitions.set(definition.name, definition);
    };
    for (const { declaration, handle } of this.declarations()) {
      const definition = definitionOf(declaration, handle);
      add(definition);
      if (definition.cron && definition.scope === 'tenant') add(this.fanOutOf(definition));
    }
    return (this.definitions = definitions);
  }

  private declarations(): { declaration: JobDeclaration; handle: JobDefinition['handle'] }[] {
    return this.discovery.getProviders().flatMap(({ instance, metatype }) => {
      if (typeof instance !== 'object' || instance === null || !metatype) return [];
      const provider = instance as Record<string, (...args: unknown[]) => Promise<unknown>>;
      return this.scanner.getAllMethodNames(Object.getPrototypeOf(provider) as object).flatMap((method) => {
        const declared = Reflect.getMetadata(JOB, provider[method]!) as DeclaredMethod | undefined;
        if (!declared) return [];
        const declaration = timed(declared, provider);
        // A cron has no payload; its handler is called with the run alone.
        const handle: JobDefinition['handle'] = async (payload, run) =>
          declaration.payload ? provider[method]!(payload, run) : provider[method]!(run);
        return [{ declaration, handle }];
      });
    });
  }

  private fanOutOf(cron: JobDefinition): JobDefinition {
    return definitionOf(
      { name: `${cron.name}.fan-out`, scope: 'platform', cron: cron.cron, timeoutSeconds: 3600 },
      async (_, run) => this.fanOut?.(cron.name, run),
    );
  }
}

/** A cron that has no time is a job that nobody enqueues. */
function timed({ cron, ...declared }: DeclaredMethod, provider: unknown): JobDeclaration {
  const time = cron?.expression;
  const expression = typeof time === 'function' ? time(provider as never) : time;
  return expression === undefined ? declared : { ...declared, cron: { expression, timeZone: cron!.timeZone } };
}

function definitionOf(declaration: JobDeclaration, handle: JobDefinition['handle']): JobDefinition {
  return {
    retries: 5,
    backoffSeconds: 5,
    exponential: true,
    timeoutSeconds: 300,
    concurrency: 4,
    onceInSeconds: 3600,
    exclusive: declaration.scope === 'platform' && declaration.cron !== undefined,
    ...declaration,
    handle,
  };
}

/**
 * @returns the payload as an instance of the declared class
 * @throws JobPayloadInvalid
 */
export async function checkedPayload(definition: JobDefinition, payload: unknown): Promise<object | undefined> {
  const { name, payload: type } = definition;
  if (!type) {
    if (payload !== undefined && payload !== null) throw new JobPayloadInvalid(name, ['none is declared']);
    return undefined;
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new JobPayloadInvalid(name, ['it is no object']);
  }
  const instance = plainToInstance(type, payload);
  const errors = await validate(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
  if (errors.length > 0)
    throw new JobPayloadInvalid(
      name,
      errors.map((error) => error.property),
    );
  return instance;
}
