import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Tenant } from '../../tenancy/index.js';
import type { Row } from './archive.format.js';

/**
 * A column that leaves only in an encrypted archive.
 * - `portable` is good wherever it goes, such as the hash of a password;
 * - `credential` is the hash of one that opens this tenant here: elsewhere something that nothing opens takes its place;
 * - `sealed` under MASTER_KEY: opened, carried in the archive's own encryption, and sealed anew.
 */
export type SecretColumn =
  | { kind: 'portable'; with?: string[] }
  | { kind: 'credential' }
  | {
      kind: 'sealed';
      open(tenantId: string, rowId: string, sealed: Buffer): Buffer;
      seal(tenantId: string, rowId: string, plain: Buffer): Buffer;
      /** Columns that mean nothing without it, and become NULL with it. */
      with?: string[];
    };

/** Bytes of rows that lie outside of the database. Rows without them are archived all the same. */
export interface RowBytes {
  /** Whether the row has any, by its columns. */
  has(value: (column: string) => string | null): boolean;
  /** @returns undefined when they are gone */
  open(tenantId: string, id: string): Promise<Readable | undefined>;
  /**
   * Puts them where they are not yet, in the scope of the tenant; its row is there.
   *
   * @throws ArchiveInvalid when they are not those of the row
   */
  put(id: string, source: AsyncIterable<Buffer>): Promise<void>;
}

/** A column of texts some of which are sealed under a key of the tenant: opened in every archive, and sealed anew. */
export interface SealedTexts {
  /** Is in every text that is not stored as it is. */
  mark: string;
  /** Asked once for a table; what opens a text of a row. */
  opener: (tenantId: string) => Promise<(rowId: string, text: string) => string>;
  sealer: (tenantId: string) => Promise<(rowId: string, text: string) => string>;
}

/** How one table behaves in an archive. */
export interface ArchiveRule {
  /** Why its rows are in no archive. */
  leftOut?: string;
  /** Every row is a credential of this tenant here, and means nothing elsewhere. */
  credentials?: true;
  secrets?: Record<string, SecretColumn>;
  bytes?: RowBytes;
  /** Columns that look like a secret and are none. */
  plain?: string[];
  texts?: Record<string, SealedTexts>;
  /**
   * When the tenant is restored from a backup of its own, its rows
   * - `stay` as they are now, since they tell what has happened;
   * - `end`: whoever is let in by one of them has to ask again.
   * Other credentials come back unless they are gone by now. What is left out of archives stays, too.
   */
  restored?: 'stay' | 'end';
  /** Of a row that goes to another tenant: columns of texts whose ids are of something else than rows of the tenant. */
  foreignIds?(value: (column: string) => string | null): string[];
}

/** What is to be done once a tenant's rows are all there, before it is in service; in its scope. May be repeated. */
export type Imported = (tenant: Tenant) => Promise<void>;

/**
 * How tables behave in an archive, where that is more than row by row and value by value. The slice that owns a table says
 * so; a test fails on a column that may hold a secret and of which nothing is said.
 */
@Injectable()
export class ArchiveRules {
  private readonly rules = new Map<string, ArchiveRule>();
  readonly imported: Imported[] = [];

  register(table: string, rule: ArchiveRule): void {
    if (this.rules.has(table)) throw new Error(`The table ${table} is archived in two ways.`);
    this.rules.set(table, rule);
  }

  onImported(act: Imported): void {
    this.imported.push(act);
  }

  of(table: string): ArchiveRule {
    return this.rules.get(table) ?? {};
  }

  /** Whether a restore makes of the table's rows what they were. */
  isRewound(table: string): boolean {
    const { leftOut, restored } = this.of(table);
    return leftOut === undefined && restored === undefined;
  }

  all(): ReadonlyMap<string, ArchiveRule> {
    return this.rules;
  }
}

/** Reads and changes a row by the names of its columns. */
export class RowView {
  private readonly at: Map<string, number>;

  constructor(readonly columns: string[]) {
    this.at = new Map(columns.map((column, index) => [column, index]));
  }

  has(column: string): boolean {
    return this.at.has(column);
  }

  get(row: Row, column: string): string | null {
    return row[this.at.get(column) ?? -1] ?? null;
  }

  set(row: Row, column: string, value: string | null): void {
    const index = this.at.get(column);
    if (index !== undefined) row[index] = value;
  }
}
