import type pg from 'pg';
import { MoveFailure } from './move.errors.js';

const EXPORT = 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot() AS id';

/** What reads the rows of a moment, or of now. */
export interface SourceReader {
  query<Row extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]>;
}

/**
 * The source as it was at one moment. Each read is a transaction of its own that sees that moment: nothing keeps a lock
 * on a table for longer than one chunk takes, so that a migration does not wait for a copy, and everybody for it.
 */
export class SourceSnapshot implements SourceReader {
  private constructor(
    private readonly keeper: pg.Client,
    private readonly reader: pg.Client,
    private readonly begin: string,
  ) {}

  /**
   * @param keeper has a transaction open until the snapshot is closed
   * @param reader is used for reads, and in between for nothing else
   */
  static async take(keeper: pg.Client, reader: pg.Client): Promise<SourceSnapshot> {
    const results = (await keeper.query<{ id: string }>(EXPORT)) as unknown as pg.QueryResult<{ id: string }>[];
    const id = results[1]?.rows[0]?.id ?? '';
    if (!/^[0-9A-F-]+$/i.test(id)) throw new MoveFailure('the snapshot has no name');
    return new SourceSnapshot(
      keeper,
      reader,
      `BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${id}'`,
    );
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]> {
    await this.reader.query(this.begin);
    try {
      const { rows } = await this.reader.query<Row>(sql, values);
      await this.reader.query('COMMIT');
      return rows;
    } catch (error) {
      await this.reader.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.keeper.query('COMMIT').catch(() => undefined);
  }
}
