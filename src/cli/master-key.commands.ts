import { Inject, Injectable } from '@nestjs/common';
import { PlatformAudit } from '../audit/index.js';
import {
  acceptedMasterKeys,
  acceptMasterKey,
  DATABASE,
  ENV,
  isStaged,
  MASTER_KEY_FILE,
  masterKeyId,
  masterKeysOf,
  newSecret,
  type PreparedDatabase,
  replaceSecret,
  retireMasterKeys,
  unstageSql,
} from '../database/index.js';
import type { Env } from '../env/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { Table } from './table.js';
import { Terminal } from './terminal.js';

/** The keys that open the root key of the installation. */
@Injectable()
export class MasterKeyCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly audit: PlatformAudit,
    @Inject(ENV) private readonly env: Env,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  async list(): Promise<void> {
    const accepted = await acceptedMasterKeys(this.url, this.installation);
    const own = masterKeyId(masterKeysOf(this.env).current);
    const items = accepted.map((id) => ({ id, current: id === own }));
    const rows = items.map(({ id, current }) => [id, current ? 'MASTER_KEY' : '']);
    await this.terminal.show(() => new Table(['ID', 'IS']).rows(rows), { items });
  }

  /** Of the environment: the one given as MASTER_KEY. Of DATA_DIR: a new one, which takes the place of the one there. */
  async rotate(): Promise<void> {
    const given = masterKeysOf(this.env);
    const kept = this.env.masterKey === undefined;
    const masters = kept ? { current: newSecret(), previous: given.current } : given;
    const id = masterKeyId(masters.current);
    const before = await acceptedMasterKeys(this.url, this.installation);
    const accepted = await acceptMasterKey(this.url, this.installation, masters);
    // In this order: whenever it ends half-way, the key that is kept opens the root key.
    if (kept) replaceSecret(this.env.dataDir, MASTER_KEY_FILE, masters.current);
    const added = !before.includes(id);
    if (added) await this.record('master_key.accepted', { id, accepted });
    const others = accepted.filter((one) => one !== id);
    const lines = [added ? `The master key ${id} is accepted now.` : `The master key ${id} was accepted already.`];
    if (others.length > 0) lines.push(`Accepted still: ${others.join(', ')}. "master-key retire" ends that.`);
    await this.terminal.show(() => lines, { id, added, accepted });
  }

  async retire(): Promise<void> {
    const { current } = masterKeysOf(this.env);
    if (await isStaged(this.url, this.installation)) {
      const message = 'A copy of the root key is left on a role, where the user of DATABASE_URL may not remove it.';
      throw new CommandFailure(
        EXIT.database,
        'root_key_left',
        message,
        `Run as a superuser, then run this again:\n\n${unstageSql(this.installation)};`,
      );
    }
    const retired = await retireMasterKeys(this.url, this.installation, current);
    const id = masterKeyId(current);
    if (retired.length > 0) await this.record('master_key.retired', { id, retired });
    const line = retired.length > 0 ? `No longer accepted: ${retired.join(', ')}.` : 'No other was accepted.';
    await this.terminal.show(() => [`The master key ${id} is the only one. ${line}`], { id, retired });
  }

  private async record(event: string, details: { id: string } & Record<string, unknown>): Promise<void> {
    await this.audit.record(undefined, { event, target: { kind: 'master_key', id: details.id }, details });
  }

  private get url(): string {
    return this.database.url('migrator', true);
  }

  private get installation(): string {
    return this.database.roles.installation;
  }
}
