import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import { type Db, PgBoss, type QueueOptions } from 'pg-boss';
import type { EntityManager } from 'typeorm';
import { DATABASE, ENV, JOBS_SCHEMA, type PreparedDatabase, SteadyClient } from '../database/index.js';
import { type Env, worksInBackground } from '../env/index.js';
import { type JobDefinition, JobRegistry } from './job.registry.js';

const CONNECTIONS = 4;
/** A job whose worker is silent for this long is given to another, in seconds. */
export const HEARTBEAT_SECONDS = 15;
/** How often silent and overdue jobs are looked for, in seconds. */
const MONITOR_SECONDS = 5;
const DAY = 86_400;
/** Waiting jobs are not dropped for their age, within reason; those that were given up wait for a person. */
const QUEUED_DAYS = 365;
const DEAD_DAYS = 30;
/** Past a job's own timeout, in seconds: its worker has aborted it by then, or is gone. */
const OVERDUE_SECONDS = 60;

/** pg-boss on the direct connection, as the platform role; its schema is the migrator's. */
@Injectable()
export class JobEngine implements OnModuleInit, OnApplicationShutdown {
  readonly boss: PgBoss;
  private readonly pool: pg.Pool;
  private readonly logger = new Logger('Jobs');

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    @Inject(ENV) env: Env,
    private readonly registry: JobRegistry,
  ) {
    this.pool = new pg.Pool({
      Client: SteadyClient,
      connectionString: database.url('platform', true),
      max: CONNECTIONS,
      connectionTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
    });
    // An idle connection that breaks is replaced; unheard, its error would end the process.
    this.pool.on('error', () => undefined);
    const works = worksInBackground(env);
    this.boss = new PgBoss({
      // The driver's own result: of several statements at once the engine reads the rows of each.
      db: { executeSql: (text, values) => this.pool.query(text, values) },
      schema: JOBS_SCHEMA,
      migrate: false,
      createSchema: false,
      supervise: works,
      schedule: works,
      superviseIntervalSeconds: MONITOR_SECONDS,
      monitorIntervalSeconds: MONITOR_SECONDS,
      maintenanceIntervalSeconds: 600,
      cronWorkerIntervalSeconds: 2,
      // Rebuilding an index and looking after vacuum is the owner's.
      reindex: false,
      monitorVacuum: false,
    });
    this.boss.on('error', (error) => this.logger.error({ err: error }, 'The job engine reports an error'));
    this.boss.on('warning', ({ message }) => this.logger.warn(message));
  }

  async onModuleInit(): Promise<void> {
    await this.boss.start();
    const existing = new Set((await this.boss.getQueues()).map(({ name }) => name));
    for (const definition of this.registry.all()) {
      const options = queueOf(definition);
      const policy = definition.exclusive ? 'exclusive' : 'standard';
      if (existing.has(definition.name)) await this.boss.updateQueue(definition.name, options);
      else await this.boss.createQueue(definition.name, { ...options, policy });
    }
  }

  /** After the workers: what they settle goes through it. */
  async onApplicationShutdown(): Promise<void> {
    await this.boss.stop({ graceful: false });
    await this.pool.end();
  }

  /** A statement on the direct connection, in a transaction of its own. */
  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    const result = await this.pool.query<Row & pg.QueryResultRow>(text, values);
    return result.rows;
  }

  /** The same within a transaction of the control plane. */
  within(manager: EntityManager): Db {
    return { executeSql: async (text, values) => ({ rows: await manager.query<unknown[]>(text, values) }) };
  }
}

function queueOf(definition: JobDefinition): QueueOptions {
  return {
    retryLimit: definition.retries,
    retryDelay: definition.backoffSeconds,
    retryBackoff: definition.exponential,
    expireInSeconds: definition.timeoutSeconds + OVERDUE_SECONDS,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    retentionSeconds: QUEUED_DAYS * DAY,
    deleteAfterSeconds: DEAD_DAYS * DAY,
  };
}
