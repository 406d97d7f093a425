import type pg from 'pg';
import { capturedTables } from '../../database/index.js';
import { ArchiveInvalid } from './archive.errors.js';
import { named, type Row } from './archive.format.js';
import type { ArchiveRules } from './archive.rules.js';
import { RowImport, type Takeover } from './archive.rows.js';
import { columnsOf } from './tenant.snapshot.js';

/** Rows and bytes of text that one statement inserts, about. */
const BATCH_ROWS = 1000;
const BATCH_BYTES = 4 * 2 ** 20;

const SETTLE = `SELECT set_config('DateStyle', 'ISO, MDY', true), set_config('TimeZone', 'UTC', true),
  set_config('IntervalStyle', 'postgres', true), set_config('idle_in_transaction_session_timeout', '10min', true)`;

/** What it writes with: the rows that a statement answers with, or the error of the driver. */
export interface RowWriter {
  query<Row>(sql: string, values?: unknown[]): Promise<Row[]>;
}

export interface RowCounts {
  taken: number;
  /** Credentials that open nothing here. */
  left: number;
  tables: Record<string, number>;
}

/** Writes the rows of an archive in the open transaction of the tenant that they come to, its tables named without schema. */
export class RowLoader {
  readonly counts: RowCounts = { taken: 0, left: 0, tables: {} };
  private tables: string[] = [];
  private current: { name: string; rows: RowImport | undefined } | undefined;

  constructor(
    private readonly transaction: RowWriter,
    private readonly rules: ArchiveRules,
    private readonly takeover: Takeover,
    private readonly schema: string,
  ) {}

  async begin(): Promise<void> {
    await this.transaction.query(SETTLE);
    this.tables = await capturedTables(this.client(), this.schema);
  }

  /** @throws ArchiveInvalid for a table or column that is not a tenant's */
  async table(name: string, columns: string[]): Promise<void> {
    const rule = this.rules.of(name);
    if (!this.tables.includes(name) || rule.leftOut !== undefined) {
      throw new ArchiveInvalid(`there is no table ${named(name)} that it could fill`);
    }
    const present = await columnsOf(this.client(), name);
    const rows = new RowImport(name, columns, present, rule, this.takeover);
    await rows.prepare();
    const opensNothing = rule.credentials && !this.takeover.credentials;
    const ends = this.takeover.restored === true && rule.restored === 'end';
    this.current = { name, rows: opensNothing || ends ? undefined : rows };
  }

  /** @throws ArchiveInvalid for rows that the table does not take */
  async rows(rows: Row[]): Promise<void> {
    const { name, rows: table } = this.current!;
    if (!table) {
      this.counts.left += rows.length;
      return;
    }
    let batch: Row[] = [];
    let bytes = 0;
    for (const row of rows) {
      batch.push(table.taken(row));
      bytes += row.reduce((all, value) => all + (value?.length ?? 0), 0);
      if (batch.length < BATCH_ROWS && bytes < BATCH_BYTES) continue;
      await this.insert(name, table.sql, batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await this.insert(name, table.sql, batch);
  }

  private async insert(name: string, sql: string, rows: Row[]): Promise<void> {
    try {
      await this.transaction.query(sql, [JSON.stringify(rows)]);
    } catch (error) {
      const { code, driverError } = error as { code?: string; driverError?: { code?: string } };
      const sqlState = driverError?.code ?? code;
      // Classes of the data itself (PostgreSQL documentation, appendix A): values and constraints.
      if (sqlState === undefined || !/^2[23]...$/.test(sqlState)) throw error;
      throw new ArchiveInvalid(`${name} does not take a row of it (SQLSTATE ${sqlState})`, error);
    }
    this.counts.taken += rows.length;
    this.counts.tables[name] = (this.counts.tables[name] ?? 0) + rows.length;
  }

  private client(): pg.ClientBase {
    const query = async (sql: string, values?: unknown[]) => ({ rows: await this.transaction.query(sql, values) });
    return { query } as unknown as pg.ClientBase;
  }
}
