import { createReadStream } from 'node:fs';
import { DataSource } from 'typeorm';
import { makeDumpedRoles, rolesInDump, SteadyClient } from '../database/index.js';
import type { Env } from '../env/index.js';
import type { Product } from '../product.js';
import { type FoundPlace, PlaceRecovery } from '../tenant/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { openShared } from './shared.database.js';
import { Table } from './table.js';
import type { Terminal } from './terminal.js';

const TITLES = ['SERVER', 'PLACE', 'KIND', 'TENANT', 'STATE'];
const FINE: readonly FoundPlace['state'][] = ['there', 'unused'];

/** Restores what belongs to a server and is in no dump of a database. */
export class RecoveryCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly env: Env,
    private readonly product: Product,
  ) {}

  /** @param file of SQL, or - */
  async roles(file: string): Promise<void> {
    const { databaseUrl, databaseDirectUrl, masterKey, masterKeyPrevious: previous } = this.env;
    if (databaseUrl === undefined || masterKey === undefined) {
      const message = 'A dump is restored into a database of DATABASE_URL, under its MASTER_KEY.';
      const remedy = 'Set both. With the embedded database the whole DATA_DIR is kept and put back instead.';
      throw new CommandFailure(EXIT.environment, 'environment_invalid', message, remedy);
    }
    const dump = await rolesInDump(file === '-' ? process.stdin : createReadStream(file));
    const masters = { current: masterKey, previous };
    const roles = await makeDumpedRoles(databaseDirectUrl ?? databaseUrl, masters, dump);
    await this.terminal.show(() => roles, { installation: dump.installation, roles });
  }

  async places(): Promise<void> {
    const { database, close } = await openShared(this.env, this.product, this.terminal, true);
    const platform = new DataSource({
      type: 'postgres',
      url: database.url('platform', true),
      installExtensions: false,
      poolSize: 2,
      extra: { Client: SteadyClient },
    });
    try {
      await platform.initialize();
      const items = await new PlaceRecovery(platform, database).run();
      await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items });
      const left = items.filter(({ state }) => !FINE.includes(state)).length;
      if (left === 0) return;
      const remedy = 'Restore those that are empty from their dumps, and run it again; see docs/recovery.md.';
      throw new CommandFailure(EXIT.unrestored, 'unrestored', `Not in order: ${left} of ${items.length}.`, remedy);
    } finally {
      if (platform.isInitialized) await platform.destroy();
      await close();
    }
  }
}

function row({ server, name, kind, tenant_id: tenant, state }: FoundPlace): string[] {
  return [server, name, kind ?? '', tenant ?? '', state];
}
