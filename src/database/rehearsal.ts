import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { nameOf } from './migration.names.js';
import type { MigrationSet } from './migrator.js';
import { SteadyClient } from './steady.client.js';

/** How long a rehearsal waits for a lock that somebody holds, in ms: others wait behind it. */
const LOCK_MS = 5000;
/** What migrations ask before they write: who they are, and which schema is theirs. */
const QUESTION = /^\s*SELECT\b[^;]*\bcurrent_user\b/i;

export interface RehearsedMigration {
  name: string;
  /** What it would send, in order. */
  statements: string[];
}

/** Runs migrations and tells what each sent. For a transaction that is rolled back. */
export async function recording(runner: QueryRunner, migrations: MigrationInterface[]): Promise<RehearsedMigration[]> {
  const query = runner.query.bind(runner) as (
    sql: string,
    values?: unknown[],
    structured?: boolean,
  ) => Promise<unknown>;
  const rehearsed: RehearsedMigration[] = [];
  try {
    for (const migration of migrations) {
      const statements: string[] = [];
      // On the runner itself: its own helpers and its entity manager send through it too.
      runner.query = ((sql: string, values?: unknown[], structured?: boolean) => {
        if (!QUESTION.test(sql)) statements.push(values?.length ? `${sql} -- ${JSON.stringify(values)}` : sql);
        return query(sql, values, structured);
      }) as QueryRunner['query'];
      await migration.up(runner);
      rehearsed.push({ name: nameOf(migration), statements });
    }
  } finally {
    runner.query = query as QueryRunner['query'];
  }
  return rehearsed;
}

/** Does work in a transaction, and takes all of it back. */
export async function undone<T>(runner: QueryRunner, work: () => Promise<T>): Promise<T> {
  await runner.startTransaction();
  try {
    await runner.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
    return await work();
  } finally {
    await runner.rollbackTransaction();
  }
}

/**
 * Rehearses what the platform's and the shared tables of the primary lack.
 *
 * @param url the migrator's, on a direct connection
 */
export async function rehearse(url: string, sets: MigrationSet[]): Promise<RehearsedMigration[]> {
  return withRunner(url, (runner) =>
    undone(runner, async () => {
      const rehearsed: RehearsedMigration[] = [];
      for (const set of sets) {
        const pending = await pendingOf(runner, set);
        if (pending.length === 0) continue;
        const there = (await runner.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [set.schema])) as unknown[];
        if (there.length === 0) await runner.query(`CREATE SCHEMA ${pg.escapeIdentifier(set.schema)}`);
        await runner.query(`SELECT set_config('search_path', $1, true)`, [set.schema]);
        rehearsed.push(...(await recording(runner, pending)));
      }
      return rehearsed;
    }),
  );
}

/** Names of the migrations that the platform's and the shared tables of the primary lack. */
export async function pendingMigrations(url: string, sets: MigrationSet[]): Promise<string[]> {
  return withRunner(url, async (runner) => {
    const names: string[] = [];
    for (const set of sets) names.push(...(await pendingOf(runner, set)).map(nameOf));
    return names;
  });
}

async function pendingOf(runner: QueryRunner, set: MigrationSet): Promise<MigrationInterface[]> {
  const ledger = `${pg.escapeIdentifier(set.schema)}.migrations`;
  const [found] = (await runner.query('SELECT to_regclass($1) IS NOT NULL AS there', [ledger])) as { there: boolean }[];
  const rows = found?.there ? ((await runner.query(`SELECT name FROM ${ledger}`)) as { name: string }[]) : [];
  const done = new Set(rows.map(({ name }) => name));
  return set.migrations.filter((migration) => !done.has(nameOf(migration))).map((Migration) => new Migration());
}

async function withRunner<T>(url: string, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const extra = { Client: SteadyClient };
  const source = await new DataSource({
    type: 'postgres',
    url,
    installExtensions: false,
    poolSize: 1,
    extra,
  }).initialize();
  const runner = source.createQueryRunner();
  try {
    return await work(runner);
  } finally {
    await runner.release();
    await source.destroy();
  }
}
