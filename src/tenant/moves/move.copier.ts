import type { MovedTable } from './moved.tables.js';
import type { MovePlace } from './move.place.js';
import { addRows, type Chunk, nextRows, sumsOf, type Sums, sumsOfAll } from './row.statements.js';
import { CopyUnfit } from './move.errors.js';
import type { SourceReader } from './source.snapshot.js';

/** How far a copy is: the rows of this table up to this key, and all of the tables before it. */
export interface CopyPosition {
  table: string;
  lastKey: string | null;
}

/**
 * Copies the rows of a snapshot, in chunks, each a transaction of its own at the target. Nobody else writes there.
 *
 * @param from where an earlier snapshot's copy was; its rows have been brought to this one
 * @param copied is told before the first row of a table, and after every chunk
 * @throws CopyUnfit
 */
export async function copyRows(
  { snapshot, source, target }: { snapshot: SourceReader; source: MovePlace; target: MovePlace },
  tables: MovedTable[],
  from: CopyPosition | undefined,
  copied: (position: CopyPosition, rows: number) => Promise<void>,
): Promise<void> {
  const first = Math.max(0, from ? tables.findIndex(({ name }) => name === from.table) : 0);
  for (const table of tables.slice(first)) {
    const next = nextRows(source.table(table.name));
    let lastKey = table.name === from?.table ? from.lastKey : null;
    await copied({ table: table.name, lastKey }, 0);
    for (;;) {
      const [chunk] = await snapshot.query<Chunk>(next, [source.tenantId, lastKey]);
      if (!chunk || chunk.content === null) break;
      await add(target, table, chunk);
      lastKey = chunk.last;
      await copied({ table: table.name, lastKey }, chunk.rows);
    }
  }
}

async function add(target: MovePlace, table: MovedTable, { content, ids, rows, sum }: Chunk): Promise<void> {
  const name = target.table(table.name);
  try {
    await target.client.query(addRows(name, table), [content]);
  } catch (error) {
    throw unfit(error, table.name);
  }
  const there = await target.client.query<Sums>(sumsOf(name), [target.tenantId, ids]);
  if (there.rows[0]?.rows !== rows || there.rows[0].sum !== sum) throw new CopyUnfit(`rows of ${table.name} differ`);
}

/**
 * Compares all rows of the target with those of a snapshot that it has been brought to.
 *
 * @throws CopyUnfit
 */
export async function compareRows(
  { snapshot, source, target }: { snapshot: SourceReader; source: MovePlace; target: MovePlace },
  tables: MovedTable[],
  check: () => Promise<void>,
): Promise<void> {
  for (const { name } of tables) {
    const values = [source.tenantId];
    const [here, there] = await Promise.all([
      snapshot.query<Sums>(sumsOfAll(source.table(name)), values),
      target.client.query<Sums>(sumsOfAll(target.table(name)), values),
    ]);
    const [one, other] = [here[0], there.rows[0]];
    if (one?.rows !== other?.rows || one?.sum !== other?.sum) {
      throw new CopyUnfit(`rows of ${name} differ: ${one?.rows} at the source, ${other?.rows} at the target`);
    }
    await check();
  }
}

/** What a target says that refuses a row: integrity, or a value that is none of its types. */
export function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^(23|22|42)/.test(code);
}

export function unfit(error: unknown, table: string): unknown {
  if (!isRefusal(error)) return error;
  const { code, constraint } = error as { code: string; constraint?: string };
  return new CopyUnfit(`rows of ${table} were refused: ${code}${constraint ? ` ${constraint}` : ''}`, { cause: error });
}
