import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { DataDirInUse, prepareDatabase, type PreparedDatabase, SteadyClient } from '../database/index.js';
import type { Env } from '../env/index.js';
import { isConnectionTrouble } from '../http/index.js';
import { migrationsOf, type Product } from '../product.js';
import { Interrupted } from './exit-codes.js';
import type { Terminal } from './terminal.js';

const RETRY_MS = 200;
/** How long is waited for another process that starts or stops the embedded server, in ms. */
const PATIENCE_MS = 60_000;
const HELD = `hashtext('tenantry:commands')`;
const JOIN = `SELECT pg_try_advisory_lock_shared(${HELD}) AS joined`;
const LEAVE = `SELECT pg_try_advisory_lock(${HELD}) AS alone`;
const WAIT = `SELECT pg_advisory_lock(${HELD})`;

export interface SharedDatabase {
  database: PreparedDatabase;
  /** Stops the embedded server, if this process started it, once no other command uses it. */
  close: () => Promise<void>;
}

/**
 * Opens the database beside a running service, or beside other commands, the first of which starts the embedded server
 * and the last of which it must not be taken from.
 *
 * @param asItIs leaves the tables as they are
 * @throws DatabaseSetupError, Interrupted
 */
export async function openShared(
  env: Env,
  product: Product,
  terminal: Terminal,
  asItIs = false,
): Promise<SharedDatabase> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      const opened = await attempt(env, product, terminal, asItIs);
      if (opened) return opened;
    } catch (error) {
      const passing = error instanceof DataDirInUse || isTrouble(error);
      if (env.databaseUrl !== undefined || !passing || performance.now() > deadline) throw error;
    }
    if (terminal.interrupted.aborted) throw new Interrupted();
    await sleep(RETRY_MS);
  }
}

/** @returns undefined when the command whose server it is stops it now */
async function attempt(
  env: Env,
  product: Product,
  terminal: Terminal,
  asItIs: boolean,
): Promise<SharedDatabase | undefined> {
  const database = await prepareDatabase(env, migrationsOf(product), {
    joinRunning: true,
    asItIs,
    onProgress: (text) => process.stderr.isTTY && terminal.note(text),
  });
  if (!database.embedded) return { database, close: () => database.stop() };
  const hold = new SteadyClient({ connectionString: database.url('platform', true) });
  try {
    await hold.connect();
    if (database.started) return { database, close: () => stopWhenAlone(hold, database, terminal) };
    const { rows } = await hold.query<{ joined: boolean }>(JOIN);
    if (rows[0]?.joined) return { database, close: () => hold.end().catch(() => undefined) };
    await hold.end();
  } catch (error) {
    await hold.end().catch(() => undefined);
    await database.stop();
    throw error;
  }
  return undefined;
}

async function stopWhenAlone(hold: pg.Client, database: PreparedDatabase, terminal: Terminal): Promise<void> {
  try {
    const { rows } = await hold.query<{ alone: boolean }>(LEAVE);
    if (!rows[0]?.alone) {
      terminal.note('Other commands still use the database that this one started; waiting for them.');
      await hold.query(WAIT);
    }
  } finally {
    // With the lock still held: nobody joins a server that stops.
    await database.stop();
    await hold.end().catch(() => undefined);
  }
}

function isTrouble(error: unknown): boolean {
  return isConnectionTrouble(error) || isConnectionTrouble((error as Error).cause);
}
