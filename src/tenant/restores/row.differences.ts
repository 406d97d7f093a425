import type { MovedTable } from '../moves/moved.tables.js';
import type { SourceReader } from '../moves/source.snapshot.js';
import { type DigestedRow, digestsOfColumns, nextDigests, PAGE_ROWS } from './difference.statements.js';
import type { TableDifference } from './restore.js';

export type DifferenceKind = Exclude<keyof TableDifference, 'same'>;

/** One of two places that are compared, as of one moment. */
export interface ComparedPlace {
  reader: SourceReader;
  /** A table's name with its schema, quoted. */
  table(name: string): string;
}

/** Columns that are sealed under a key, where what is inside is compared. */
export type Opener = (rowId: string, sealed: string) => string;

export interface ComparedTable extends MovedTable {
  /** By quoted names. */
  sealed: Map<string, Opener>;
}

export interface RowDifference {
  id: string;
  kind: DifferenceKind;
  /** Sealed columns, quoted, in which something else is sealed. */
  sealed: string[];
}

/** What both have up to a key, and where they differ. */
export interface ComparedPage {
  differences: RowDifference[];
  same: number;
  /** The last key that was looked at; null at the end of the table. */
  last: string | null;
}

/**
 * Compares a tenant's rows of a table at two places, in the order of their keys, some at a time: the places may be in
 * different databases, and the table of any size.
 *
 * @param from the key to start behind
 */
export async function* compareTable(
  tenantId: string,
  now: ComparedPlace,
  then: ComparedPlace,
  table: ComparedTable,
  from: string | null = null,
): AsyncGenerator<ComparedPage> {
  const sealed = [...table.sealed.keys()];
  const plain = table.columns.filter((column) => !table.sealed.has(column));
  const page = (place: ComparedPlace, after: string | null): Promise<DigestedRow[]> =>
    place.reader.query<DigestedRow>(nextDigests(place.table(table.name), plain, sealed), [tenantId, after]);
  for (let after = from; ;) {
    const [here, there] = await Promise.all([page(now, after), page(then, after)]);
    // Beyond the shorter one's end nothing is known of the other yet.
    const ends = [here, there].flatMap((rows) => (rows.length === PAGE_ROWS ? [rows.at(-1)!.id] : []));
    const until = ends.sort()[0] ?? null;
    yield { ...merge(upTo(here, until), upTo(there, until), table.sealed), last: until };
    if (until === null) return;
    after = until;
  }
}

/** @returns for each of the rows, which are at both places, the names of the columns that differ, by id */
export async function changedColumns(
  tenantId: string,
  now: ComparedPlace,
  then: ComparedPlace,
  table: ComparedTable,
  rows: RowDifference[],
): Promise<Map<string, string[]>> {
  const ids = rows.filter(({ kind }) => kind === 'changed').map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const plain = table.columns.filter((column) => !table.sealed.has(column));
  const digests = async (place: ComparedPlace) => {
    const sql = digestsOfColumns(place.table(table.name), plain);
    const found = await place.reader.query<{ id: string; digests: (string | null)[] }>(sql, [tenantId, ids]);
    return new Map(found.map((row) => [row.id, row.digests]));
  };
  const [here, there] = await Promise.all([digests(now), digests(then)]);
  const differing = ({ id, sealed }: RowDifference): string[] =>
    [...plain.filter((_, index) => here.get(id)?.[index] !== there.get(id)?.[index]), ...sealed].map(unquoted);
  return new Map(rows.map((row) => [row.id, differing(row)]));
}

function upTo(rows: DigestedRow[], until: string | null): DigestedRow[] {
  return until === null ? rows : rows.filter(({ id }) => id <= until);
}

/** Texts of UUIDs are in the order of the UUIDs. */
function merge(here: DigestedRow[], there: DigestedRow[], openers: Map<string, Opener>) {
  const differences: RowDifference[] = [];
  let same = 0;
  for (let h = 0, t = 0; h < here.length || t < there.length;) {
    const [one, other] = [here[h], there[t]];
    if (other === undefined || (one && one.id < other.id)) {
      differences.push({ id: one!.id, kind: 'only_now', sealed: [] });
      h += 1;
    } else if (one === undefined || other.id < one.id) {
      differences.push({ id: other.id, kind: 'only_then', sealed: [] });
      t += 1;
    } else {
      const sealed = sealedOtherwise(one, other, openers);
      if (one.digest === other.digest && sealed.length === 0) same += 1;
      else differences.push({ id: one.id, kind: 'changed', sealed });
      h += 1;
      t += 1;
    }
  }
  return { differences, same };
}

function sealedOtherwise(one: DigestedRow, other: DigestedRow, openers: Map<string, Opener>): string[] {
  return [...openers].flatMap(([column, open], index) => {
    const [now, then] = [one.sealed[index] ?? null, other.sealed[index] ?? null];
    const alike = now === then || (now !== null && then !== null && open(one.id, now) === open(one.id, then));
    return alike ? [] : [column];
  });
}

function unquoted(column: string): string {
  return column.slice(1, -1).replaceAll('""', '"');
}
