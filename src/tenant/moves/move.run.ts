import type pg from 'pg';
import type { HeldMove } from './move.js';
import type { MovePlace } from './move.place.js';
import type { MovedTable } from './moved.tables.js';
import { SourceSnapshot } from './source.snapshot.js';

/** What a worker has open while it carries a tenant over. */
export interface MoveRun {
  readonly move: HeldMove;
  readonly source: MovePlace;
  readonly target: MovePlace;
  /** Reads at the source, while the source's own connection keeps the snapshot. */
  readonly reader: pg.Client;
  tables: MovedTable[];
  /** Called often, at little cost. @throws MoveLost, MoveAborted, MoveInterrupted */
  readonly check: () => Promise<void>;
}

/** Runs `work` at one moment of the source. */
export async function atOneMoment<T>(
  { source, reader }: Pick<MoveRun, 'source' | 'reader'>,
  work: (snapshot: SourceSnapshot) => Promise<T>,
): Promise<T> {
  const snapshot = await SourceSnapshot.take(source.client, reader);
  try {
    return await work(snapshot);
  } finally {
    await snapshot.close();
  }
}
