import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { loadEnv } from '../env/index.js';
import type { Product } from '../product.js';
import { stopSignal } from '../stop-signal.js';
import { Interrupted } from './exit-codes.js';
import { MigrateCommands } from './migrate.commands.js';
import { openShared } from './shared.database.js';
import { Terminal } from './terminal.js';
import { SteadyClient } from '../database/index.js';

/** Runs a command on the database as it is: an application would not start on tables that are not at head. */
export async function withMigrations(
  json: boolean,
  product: Product,
  work: (commands: MigrateCommands) => Promise<void>,
): Promise<void> {
  const terminal = new Terminal(json, stopSignal(true));
  const { database, close } = await openShared({ ...loadEnv(), role: 'command' }, product, terminal, true);
  const platform = new DataSource({
    type: 'postgres',
    url: database.url('platform'),
    installExtensions: false,
    poolSize: 4,
    extra: { Client: SteadyClient },
  });
  try {
    if (terminal.interrupted.aborted) throw new Interrupted();
    await platform.initialize();
    await work(new MigrateCommands(terminal, database, platform));
  } finally {
    if (platform.isInitialized) await platform.destroy();
    await close();
  }
}
