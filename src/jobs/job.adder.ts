import { Injectable } from '@nestjs/common';
import type { Db } from 'pg-boss';
import { NO_TENANT } from '../tenancy/index.js';
import { JobEngine } from './job.engine.js';
import { idOfKey, JobEnvelopes } from './job.envelope.js';

export interface NewJob {
  name: string;
  tenantId?: string;
  /** The tenant that a job of the platform is about. */
  about?: string;
  /** What brought it: the same event adds one job, however often it comes. */
  event: string;
  key?: string;
  payload: unknown;
  /** The engine's: higher is sooner. */
  priority?: number;
  startAfter?: Date;
  /** The transaction to take part in. */
  db?: Db;
}

/** Hands jobs to the engine, each once. */
@Injectable()
export class JobAdder {
  constructor(
    private readonly engine: JobEngine,
    private readonly envelopes: JobEnvelopes,
  ) {}

  /**
   * A job with a key has an id made of it, so that the engine's own primary key keeps a second one out: while the first
   * waits or runs, and for as long as it is kept once done. One that was given up gives way to the new one.
   */
  async add({ name, tenantId, about, event, key, payload, priority = 0, startAfter, db }: NewJob): Promise<string> {
    const id = key === undefined ? event : idOfKey(tenantId ?? NO_TENANT, name, key);
    const group = tenantId ?? about;
    const data = this.envelopes.wrap(tenantId, name, id, event, payload);
    const send = (): Promise<string | null> =>
      this.engine.boss.send(name, data, {
        id,
        priority,
        ...(startAfter && { startAfter }),
        ...(group !== undefined && { group: { id: group } }),
        ...(db && { db }),
      });
    if ((await send()) !== null || key === undefined) return id;
    const run = db ?? { executeSql: async (text: string, values?: unknown[]) => this.engine.query(text, values) };
    await run.executeSql(
      `DELETE FROM jobs.job WHERE name = $1 AND id = $2 AND data->>'event' <> $3
          AND (state = 'failed' OR state = 'completed' AND completed_on < now() - deletion_seconds * interval '1 second')`,
      [name, id, event],
    );
    await send();
    return id;
  }
}
