import { randomBytes } from 'node:crypto';
import { isUuid } from '../../common/index.js';
import { CopyIds } from '../copies/copy.ids.js';
import { ArchiveInvalid } from './archive.errors.js';
import { named, type Row } from './archive.format.js';
import { type ArchiveRule, RowView } from './archive.rules.js';
import { type Column, quoted } from './tenant.snapshot.js';

const IDS = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Whose rows they were, and whose they become. */
export interface Takeover {
  fromId: string;
  toId: string;
  /** Whether credentials still open the tenant: the same one, under the same MASTER_KEY. */
  credentials: boolean;
  /** Whether the tenant goes on from an earlier state of its own. */
  restored?: boolean;
}

/** Makes the rows of one table of an archive those of the tenant that they come to. */
export class RowImport {
  /** Inserts what `rows` made of some. One parameter, the rows as JSON. */
  readonly sql: string;
  private readonly view: RowView;
  private readonly columns: Column[];
  private readonly ids: CopyIds | undefined;
  private readonly sealers = new Map<string, (rowId: string, text: string) => string>();

  /**
   * @param given the columns that the archive has of the table @param present those that the table has
   * @throws ArchiveInvalid
   */
  constructor(
    private readonly table: string,
    given: string[],
    present: Column[],
    private readonly rule: ArchiveRule,
    private readonly takeover: Takeover,
  ) {
    const known = new Map(present.map((column) => [column.name, column]));
    this.columns = given.map((name) => {
      const column = known.get(name);
      if (!column) throw new ArchiveInvalid(`${table} has no column ${named(name)}`);
      return column;
    });
    if (!given.includes('id')) throw new ArchiveInvalid(`its rows of ${table} have no id`);
    // What was left out, and may not be NULL, opens for nobody.
    for (const name of Object.keys(rule.secrets ?? {})) {
      const column = known.get(name);
      if (column?.required && !given.includes(name)) this.columns.push(column);
    }
    this.view = new RowView(this.columns.map(({ name }) => name));
    this.ids = takeover.fromId === takeover.toId ? undefined : new CopyIds(takeover.toId);
    const names = this.columns.map(({ name }) => quoted(name));
    const values = this.columns.map(({ type }, index) => `(r ->> ${index})::${type}`);
    this.sql = `INSERT INTO ${quoted(table)} (tenant_id, ${names.join(', ')}) OVERRIDING SYSTEM VALUE
      SELECT current_setting('app.tenant_id')::uuid, ${values.join(', ')} FROM jsonb_array_elements($1::jsonb) r`;
  }

  /** To be asked once before rows are taken. */
  async prepare(): Promise<void> {
    for (const [name, { sealer }] of Object.entries(this.rule.texts ?? {})) {
      this.sealers.set(name, await sealer(this.takeover.toId));
    }
  }

  /** @throws ArchiveInvalid */
  taken(row: Row): Row {
    const before = { id: this.view.get(row, 'id') };
    if (!isUuid(before.id)) throw new ArchiveInvalid(`a row of ${this.table} has no id`);
    if (this.ids) this.remap(row);
    this.settle(row);
    return row;
  }

  private remap(row: Row): void {
    const foreign = this.rule.foreignIds?.((column) => this.view.get(row, column)) ?? [];
    this.columns.forEach(({ name, type }, index) => {
      const value = row[index];
      if (value == null) return;
      if (type === 'uuid') {
        if (!isUuid(value)) throw new ArchiveInvalid(`an id in ${this.table} is none`);
        row[index] = this.idOf(value);
      } else if (type === 'jsonb') {
        row[index] = value.replaceAll(IDS, (id) => this.idOf(id));
      } else if (type === 'text' && name.endsWith('_id') && isUuid(value) && !foreign.includes(name)) {
        row[index] = this.idOf(value);
      }
    });
  }

  private idOf(id: string): string {
    return id === this.takeover.fromId ? this.takeover.toId : this.ids!.of(id);
  }

  private settle(row: Row): void {
    for (const [name, seal] of this.sealers) {
      const text = this.view.get(row, name);
      if (text !== null) this.view.set(row, name, seal(this.view.get(row, 'id')!, text));
    }
    for (const [name, secret] of Object.entries(this.rule.secrets ?? {})) {
      if (!this.view.has(name)) continue;
      const value = this.view.get(row, name);
      if (secret.kind === 'credential' && (!this.takeover.credentials || value === null)) {
        const { required } = this.columns.find((column) => column.name === name)!;
        this.view.set(row, name, required ? `\\x${randomBytes(32).toString('hex')}` : null);
      }
      if (secret.kind === 'sealed' && value !== null) {
        const sealed = secret.seal(this.takeover.toId, this.view.get(row, 'id')!, Buffer.from(value.slice(2), 'hex'));
        this.view.set(row, name, `\\x${sealed.toString('hex')}`);
      }
    }
  }
}
