import { Injectable } from '@nestjs/common';
import { JobEngine } from './job.engine.js';

/** A cron as a process declares it. */
export interface DeclaredCron {
  name: string;
  expression: string;
  timeZone: string;
}

/** For how long a cron is kept that no process declares any more, as the database writes it: longer than a roll-out. */
const FORGOTTEN_AFTER = '10 minutes';

const DECLARE = `INSERT INTO platform.job_crons (name, expression, time_zone)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
  ON CONFLICT (name, expression, time_zone) DO UPDATE SET known_at = now()`;
/** With the schedule, in one statement: what has no schedule and what nobody declares are gone together. */
const FORGET = `WITH forgotten AS (
    DELETE FROM platform.job_crons WHERE known_at < now() - interval '${FORGOTTEN_AFTER}' RETURNING name)
  DELETE FROM jobs.schedule s USING forgotten f WHERE s.name = f.name AND NOT EXISTS (
    SELECT FROM platform.job_crons c WHERE c.name = s.name AND c.known_at >= now() - interval '${FORGOTTEN_AFTER}')`;
/** What was scheduled by a process that does not say so here has its while too. */
const ADOPT = `INSERT INTO platform.job_crons (name, expression, time_zone)
  SELECT s.name, s.cron, coalesce(s.timezone, 'UTC') FROM jobs.schedule s
   WHERE NOT EXISTS (SELECT FROM platform.job_crons c WHERE c.name = s.name) ON CONFLICT DO NOTHING`;
/** Of several declarations of one cron the one that came last: an older process that starts again does not take it back. */
const WANTED = `SELECT DISTINCT ON (name) name, expression, time_zone AS "timeZone" FROM platform.job_crons
  ORDER BY name, known_since DESC, expression, time_zone`;

/** Which crons the processes that work declare between them. */
@Injectable()
export class CronRegister {
  constructor(private readonly engine: JobEngine) {}

  /** Says what this process declares, and forgets what none has declared for a while. @returns what is to be scheduled */
  async declare(crons: DeclaredCron[]): Promise<DeclaredCron[]> {
    // In one order, so that two processes do not wait for each other's rows.
    const sorted = [...crons].sort((a, b) => (a.name < b.name ? -1 : 1));
    await this.engine.query(DECLARE, [
      sorted.map(({ name }) => name),
      sorted.map(({ expression }) => expression),
      sorted.map(({ timeZone }) => timeZone),
    ]);
    await this.engine.query(FORGET);
    await this.engine.query(ADOPT);
    return this.engine.query<DeclaredCron>(WANTED);
  }
}
