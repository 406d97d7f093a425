import type { ArchiveRules } from '../archive/archive.rules.js';
import { copyRows } from '../moves/move.copier.js';
import { applyDelta, countDelta, forgetDelta } from '../moves/move.follower.js';
import { atOneMoment, type MoveRun } from '../moves/move.run.js';
import type { MovedTable } from '../moves/moved.tables.js';
import { idsOf, removeOthers } from './difference.statements.js';
import { RestoreFailure } from './restore.errors.js';

/** So many changes are few enough to be brought while the tenant waits, of which those of rows that stay are a part. */
const FEW_CHANGES = 500;
const MAX_PASSES = 50;

/** The present place, of which changes are captured, and the restored one. */
export type Carrying = Pick<MoveRun, 'source' | 'target' | 'reader' | 'check'>;

/** Brings the rows that stay as they are now. @throws CopyUnfit */
export async function copyStaying(carrying: Carrying, tables: MovedTable[], rules: ArchiveRules): Promise<void> {
  const { source, target, check } = carrying;
  // What an attempt before has brought of rows that change is as of then. None of them were in the backup.
  const changing = tables.filter(({ name }) => rules.of(name).leftOut !== undefined);
  await target.empty(
    changing.map(({ name }) => name),
    check,
  );
  await atOneMoment(carrying, async (snapshot) => {
    await copyRows({ ...carrying, snapshot }, tables, undefined, check);
    // What the snapshot sees is there as it is.
    await forgetDelta({ source, reader: snapshot });
  });
}

/** Brings what changes of them meanwhile, until few changes wait. @throws CopyUnfit, RestoreFailure */
export async function followStaying(carrying: Carrying, tables: MovedTable[]): Promise<void> {
  const { source, target, reader, check } = carrying;
  const now = { query: async (sql: string, values: unknown[]) => (await reader.query(sql, values)).rows as never };
  for (let passes = 1; ; passes += 1) {
    await atOneMoment(carrying, async (snapshot) => {
      await applyDelta({ reader: snapshot, source, target, tables }, check);
      await forgetDelta({ source, reader: snapshot });
    });
    await check();
    if ((await countDelta({ reader: now, source }, FEW_CHANGES)) < FEW_CHANGES) return;
    if (passes === MAX_PASSES) throw new RestoreFailure('changes come faster than they can be brought', true);
  }
}

/** What was revoked since the backup does not come back. @param table of credentials */
export async function dropGone({ source, target }: Carrying, table: string): Promise<void> {
  const { tenantId } = source;
  const { rows } = await source.client.query<{ ids: string }>(idsOf(source.table(table)), [tenantId]);
  await target.client.query(removeOthers(target.table(table)), [tenantId, rows[0]!.ids]);
}
