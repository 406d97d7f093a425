import { Injectable } from '@nestjs/common';
import { CopyUnfit, MoveFailure } from './move.errors.js';
import { applyDelta, countDelta, forgetDelta } from './move.follower.js';
import { compareRows, copyRows } from './move.copier.js';
import { MovePlaces } from './move.places.js';
import { atOneMoment, type MoveRun } from './move.run.js';
import { MoveStore } from './move.store.js';
import { movedTables } from './moved.tables.js';
import { countRows, type Sums } from './row.statements.js';
import type { SourceSnapshot } from './source.snapshot.js';

/**
 * So many changes are few enough to be brought while the tenant waits: the longer they do not get fewer, the more. The
 * most is half of what a pause takes, since more come until it begins.
 */
const FEW_CHANGES = 200;
const MORE_EACH_PASS = 100;
const MOST_CHANGES = 2500;
/** After so many passes it is given up that ever fewer changes wait. */
const MAX_PASSES = 200;
/** Between two notes of progress, in ms. */
const NOTE_MS = 300;

/** Makes the target what the source is, while the tenant works on the source. */
@Injectable()
export class MoveCarrier {
  constructor(
    private readonly store: MoveStore,
    private readonly places: MovePlaces,
  ) {}

  /**
   * Empties the target, and has the source tell what changes from then on.
   *
   * @param anew whether there is nothing that an earlier worker has brought
   * @throws CopyUnfit
   */
  async prepare(run: MoveRun, anew: boolean): Promise<void> {
    const { move, target } = run;
    // Before anything is there, so that nobody is ever served half of it.
    await target.close();
    run.tables = await movedTables(run.source, target);
    await this.keepHistory(run);
    if (!anew) {
      // A migration may have brought a table since: what is in it by now is found when all is compared.
      await this.places.startCapture(move.tenantId, move.source);
      return;
    }
    await target.empty(
      run.tables.map(({ name }) => name),
      run.check,
    );
    await this.store.beginStep(move, 'capture');
    await this.places.startCapture(move.tenantId, move.source);
  }

  /**
   * Where the source keeps the tenant's history, the target does, from before it is served from there: what brings it there
   * is not captured. What the source has kept comes along as any rows.
   */
  private async keepHistory({ move, source, target }: MoveRun): Promise<void> {
    const { tenantId } = move;
    if ((await this.places.historyAt(source, move.source)) === 'none') {
      return this.places.endHistory(tenantId, move.target);
    }
    await target.numberBehind(source);
    await this.places.keepHistory(tenantId, move.target);
  }

  /** Copies everything, or what an earlier worker had not come to. @throws CopyUnfit */
  async copy(run: MoveRun, anew: boolean): Promise<void> {
    const { move, check } = run;
    await this.store.beginStep(move, 'copy');
    const from = anew || move.tableName === null ? undefined : { table: move.tableName, lastKey: move.lastKey };
    await atOneMoment(run, async (snapshot) => {
      if (from) await this.catchUp(run, snapshot, from.table);
      else await this.store.copyBegins(move, await this.count(run, snapshot));
      let since = 0;
      let noted = -Infinity;
      await copyRows({ ...run, snapshot }, run.tables, from, async ({ table, lastKey }, rows) => {
        since += rows;
        // The first note of a table goes before its rows, the others may be late: rows that are there are passed over.
        if (rows === 0 || performance.now() - noted > NOTE_MS) {
          await this.store.copied(move, table, lastKey, since);
          [since, noted] = [0, performance.now()];
        }
        await check();
      });
      const last = run.tables.at(-1);
      if (since > 0 && last) await this.store.copied(move, last.name, null, since);
      // What the snapshot sees has been copied as it is.
      await forgetDelta({ ...run, reader: snapshot });
    });
  }

  /** Brings what changes meanwhile, until few changes wait. @returns whether nothing of it needs to be compared anew */
  async follow(run: MoveRun): Promise<boolean> {
    let sure = true;
    for (let passes = 0; ; passes += 1) {
      const { unsure } = await atOneMoment(run, (snapshot) => this.bring(run, snapshot));
      sure &&= !unsure;
      await run.check();
      const few = Math.min(FEW_CHANGES + passes * MORE_EACH_PASS, MOST_CHANGES);
      if ((await this.countWaiting(run, few)) < few) return sure;
      if (passes === MAX_PASSES) throw new MoveFailure('changes come faster than they can be brought', true);
    }
  }

  /** Compares all rows with the source as it is at one moment. @throws CopyUnfit */
  async verify(run: MoveRun): Promise<void> {
    await this.store.beginStep(run.move, 'verify');
    await atOneMoment(run, async (snapshot) => {
      await this.bring(run, snapshot);
      await compareRows({ ...run, snapshot }, run.tables, run.check);
    });
  }

  /** @returns how many changes wait, at most `most` */
  async countWaiting({ reader, source }: Pick<MoveRun, 'reader' | 'source'>, most: number): Promise<number> {
    const now = { query: async (sql: string, values: unknown[]) => (await reader.query(sql, values)).rows as never };
    return countDelta({ reader: now, source }, most);
  }

  private async bring(run: MoveRun, snapshot: SourceSnapshot) {
    const applied = await applyDelta({ ...run, reader: snapshot }, run.check);
    // Only what this snapshot has seen, and only after the target has it for good.
    await forgetDelta({ ...run, reader: snapshot });
    if (applied.rows > 0) await this.store.applied(run.move, applied.rows);
    return applied;
  }

  /** What an earlier snapshot's copy has brought is as of then; the tables after it are copied as of now. */
  private async catchUp(run: MoveRun, snapshot: SourceSnapshot, table: string): Promise<void> {
    const begun = run.tables.slice(0, run.tables.findIndex(({ name }) => name === table) + 1);
    if (begun.length === 0) throw new CopyUnfit(`there is no table ${table} any more`);
    await applyDelta({ ...run, tables: begun, reader: snapshot }, run.check);
  }

  private async count({ tables, source, check }: MoveRun, snapshot: SourceSnapshot): Promise<number> {
    let rows = 0;
    for (const { name } of tables) {
      const [counted] = await snapshot.query<Pick<Sums, 'rows'>>(countRows(source.table(name)), [source.tenantId]);
      rows += counted?.rows ?? 0;
      await check();
    }
    return rows;
  }
}
