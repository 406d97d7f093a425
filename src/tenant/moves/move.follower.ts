import { isRefusal, unfit } from './move.copier.js';
import { CopyUnfit } from './move.errors.js';
import type { MovePlace } from './move.place.js';
import type { MovedTable } from './moved.tables.js';
import {
  type Chunk,
  countChanges,
  forgetChanges,
  nextChanged,
  nextGone,
  putRows,
  removeRows,
  type Sums,
  sumsOf,
} from './row.statements.js';
import type { SourceReader } from './source.snapshot.js';

/** One moment of the source, and where it is brought. */
export interface Delta {
  reader: SourceReader;
  source: MovePlace;
  target: MovePlace;
  /** Each after those it refers to. */
  tables: MovedTable[];
}

/** Called between chunks; throws where the work is to end. */
type Check = () => Promise<void>;

export interface AppliedDelta {
  /** Rows brought or removed. */
  rows: number;
  /** Whether rows were removed first, so that the target may have removed others with them that are to stay. */
  unsure: boolean;
}

/**
 * Brings to the target what was changed at the source, as it is at the reader's moment: what the entries say is only which
 * rows to look at. In one transaction, and compared there. The entries stay; to apply them again does no harm.
 *
 * Rows are put before others are removed, so that none goes with a parent that it no longer has. Where a row takes a unique
 * value over from one that is gone, it is the other way round.
 *
 * @param strict not the other way round: what comes after cannot be compared as a whole any more
 * @throws CopyUnfit when the target does not take them
 */
export async function applyDelta(delta: Delta, check: Check, strict = false): Promise<AppliedDelta> {
  try {
    return { rows: await applyIn(delta, [put, remove], check), unsure: false };
  } catch (error) {
    if (strict || !(error instanceof CopyUnfit) || !isRefusal(error.cause)) throw error;
    return { rows: await applyIn(delta, [remove, put], check), unsure: true };
  }
}

/** Forgets the entries that the reader sees: those that came later stay. */
export async function forgetDelta({ reader, source }: Pick<Delta, 'reader' | 'source'>): Promise<void> {
  await reader.query(forgetChanges(source.table('changes')), [source.tenantId]);
}

/** @returns how many entries wait, at most `most` */
export async function countDelta({ reader, source }: Pick<Delta, 'reader' | 'source'>, most: number): Promise<number> {
  const rows = await reader.query<{ n: number }>(countChanges(source.table('changes')), [source.tenantId, most]);
  return rows[0]?.n ?? 0;
}

type Act = (delta: Delta, table: MovedTable, check: Check) => Promise<number>;

async function applyIn(delta: Delta, acts: Act[], check: Check): Promise<number> {
  return delta.target.within(async () => {
    let rows = 0;
    for (const act of acts) {
      const tables = act === remove ? delta.tables.toReversed() : delta.tables;
      for (const table of tables) {
        try {
          rows += await act(delta, table, check);
        } catch (error) {
          throw unfit(error, table.name);
        }
      }
    }
    return rows;
  });
}

async function remove({ reader, source, target }: Delta, { name }: MovedTable, check: Check): Promise<number> {
  const next = nextGone(source.table(name), source.table('changes'));
  let removed = 0;
  for (let last: string | null = null; ;) {
    const [page]: Pick<Chunk, 'rows' | 'last' | 'ids'>[] = await reader.query(next, [source.tenantId, last, name]);
    if (!page || page.last === null) return removed;
    if (page.ids !== null) await target.client.query(removeRows(target.table(name)), [target.tenantId, page.ids]);
    removed += page.rows;
    last = page.last;
    await check();
  }
}

async function put({ reader, source, target }: Delta, table: MovedTable, check: Check): Promise<number> {
  const next = nextChanged(source.table(table.name), source.table('changes'));
  const there = target.table(table.name);
  let brought = 0;
  for (let last: string | null = null; ;) {
    const [chunk]: Chunk[] = await reader.query<Chunk>(next, [source.tenantId, last, table.name]);
    if (!chunk || chunk.last === null) return brought;
    if (chunk.content !== null) {
      await target.client.query(putRows(there, table), [chunk.content]);
      const { rows } = await target.client.query<Sums>(sumsOf(there), [target.tenantId, chunk.ids]);
      if (rows[0]?.rows !== chunk.rows || rows[0].sum !== chunk.sum) {
        throw new CopyUnfit(`rows of ${table.name} differ after they were changed`);
      }
    }
    brought += chunk.rows;
    last = chunk.last;
    await check();
  }
}
