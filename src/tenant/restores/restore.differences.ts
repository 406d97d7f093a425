import { Injectable } from '@nestjs/common';
import { CursorInvalid, isUuid, type Page, ValidationFailed } from '../../common/index.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import { CopyUnfit } from '../moves/move.errors.js';
import type { MovePlace } from '../moves/move.place.js';
import { MovePlaces } from '../moves/move.places.js';
import type { Restore } from './restore.js';
import { RestoreNotReady, RestoreOutdated } from './restore.errors.js';
import { restoredTables } from './restored.tables.js';
import {
  changedColumns,
  type ComparedPlace,
  type ComparedTable,
  compareTable,
  type DifferenceKind,
} from './row.differences.js';

/** For as long as a page takes. */
const ONE_MOMENT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/** Rows of a table that one question looks at, about: what differs may be far apart. */
const MOST_LOOKED_AT = 100_000;

export interface DifferingRow {
  table: string;
  id: string;
  kind: DifferenceKind;
  /** Names of those that differ, of a row that is at both places. */
  columns: string[];
}

interface Position {
  table: string;
  /** The last row that was told of or looked at; null before the first. */
  last: string | null;
}

/** Tells row by row in what the present place of a tenant and the restored one differ. Of values it tells none. */
@Injectable()
export class RestoreDifferences {
  constructor(
    private readonly places: MovePlaces,
    private readonly rules: ArchiveRules,
  ) {}

  /**
   * As of now, which may be more than when the restore was made.
   *
   * @param table only this one; all when left out
   * @returns a page that may have fewer rows than there are, or none: the end is where there is no cursor
   * @throws RestoreNotReady, RestoreOutdated, CursorInvalid; ValidationFailed for a table that is not compared
   */
  async list(restore: Restore, { table, cursor, limit }: { table?: string; cursor?: string; limit: number }) {
    if (restore.state !== 'ready') throw new RestoreNotReady(restore.state);
    const from = cursor === undefined ? undefined : opened(cursor);
    const now = await this.places.look(restore.tenantId, restore.source);
    try {
      const then = await this.places.look(restore.tenantId, restore.target);
      try {
        for (const { client } of [now, then]) await client.query(ONE_MOMENT);
        const { rewound } = await restoredTables(now, then, this.rules).catch((error: unknown) => {
          throw error instanceof CopyUnfit ? new RestoreOutdated(error) : error;
        });
        if (table !== undefined && !rewound.some(({ name }) => name === table)) {
          const names = rewound.map(({ name }) => name).sort();
          throw new ValidationFailed([{ pointer: '/table', detail: `must be one of ${names.join(', ')}` }]);
        }
        const wanted = rewound.filter(({ name }) => table === undefined || name === table);
        const first = from ? wanted.findIndex(({ name }) => name === from.table) : 0;
        if (first === -1) throw new CursorInvalid();
        return await this.page(now, then, wanted.slice(first), from?.last ?? null, limit);
      } finally {
        await then.end();
      }
    } finally {
      await now.end();
    }
  }

  private async page(
    now: MovePlace,
    then: MovePlace,
    tables: ComparedTable[],
    from: string | null,
    limit: number,
  ): Promise<Page<DifferingRow>> {
    const { tenantId } = now;
    const [here, there] = [comparedAt(now), comparedAt(then)];
    const items: DifferingRow[] = [];
    let looked = 0;
    for (const [index, table] of tables.entries()) {
      const { name } = table;
      const start = index === 0 ? from : null;
      for await (const { differences, same, last } of compareTable(tenantId, here, there, table, start)) {
        const fit = differences.slice(0, limit - items.length);
        const columns = await changedColumns(tenantId, here, there, table, fit);
        items.push(...fit.map(({ id, kind }) => ({ table: name, id, kind, columns: columns.get(id) ?? [] })));
        if (fit.length < differences.length)
          return { items, next_cursor: closed({ table: name, last: fit.at(-1)!.id }) };
        looked += same + differences.length;
        const next = last === null ? tables[index + 1] : table;
        if (next && (items.length === limit || looked >= MOST_LOOKED_AT)) {
          return { items, next_cursor: closed({ table: next.name, last }) };
        }
      }
    }
    return { items, next_cursor: null };
  }
}

function comparedAt(place: MovePlace): ComparedPlace {
  return {
    reader: { query: async (sql, values) => (await place.client.query(sql, values)).rows as never },
    table: (name) => place.table(name),
  };
}

function closed({ table, last }: Position): string {
  return Buffer.from(JSON.stringify([table, last])).toString('base64url');
}

/** @throws CursorInvalid */
function opened(cursor: string): Position {
  try {
    const [table, last] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof table === 'string' && (last === null || isUuid(last))) return { table, last };
  } catch {
    // Not one of ours.
  }
  throw new CursorInvalid();
}
