import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { newId } from '../common/index.js';
import { JobAdder } from './job.adder.js';
import { JobEngine } from './job.engine.js';
import { checkedPayload, JobRegistry } from './job.registry.js';
import { JobWorker } from './job.worker.js';

export interface PlatformEnqueueOptions {
  /** Of two jobs with the same name and key, the second does not run; see `onceInSeconds`. */
  key?: string;
  startAfter?: Date;
  /** Higher runs first. */
  priority?: number;
  /** The tenant that it is about, with which it is erased once it has ended. */
  about?: string;
  /** Of a transaction of the control plane: rolled back, the job never runs. */
  manager?: EntityManager;
}

/** Work of the platform, of no tenant. */
@Injectable()
export class PlatformJobs {
  constructor(
    private readonly registry: JobRegistry,
    private readonly engine: JobEngine,
    private readonly adder: JobAdder,
    private readonly worker: JobWorker,
  ) {}

  /**
   * @param job the name that a `@PlatformJobHandler` declares
   * @returns the job's id, the same at every attempt
   * @throws UnknownJob, JobPayloadInvalid
   */
  async enqueue(job: string, payload?: object, options: PlatformEnqueueOptions = {}): Promise<string> {
    const definition = this.registry.get(job, 'platform');
    const checked = await checkedPayload(definition, payload);
    const { about, manager, startAfter, priority } = options;
    const id = await this.adder.add({
      name: job,
      about,
      event: newId(),
      key: options.key ?? (checked === undefined ? undefined : definition.idempotencyKey?.(checked)),
      payload,
      priority,
      startAfter,
      db: manager && this.engine.within(manager),
    });
    if (!manager) this.worker.wake();
    return id;
  }
}
