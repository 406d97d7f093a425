import { Injectable } from '@nestjs/common';
import pg from 'pg';
import { capturedTables } from '../../database/index.js';
import { type Placement, schemaOf } from '../../tenancy/index.js';
import { ArchiveRules } from '../archive/archive.rules.js';
import type { Backup } from '../backups/backup.js';
import { TenantBackups } from '../backups/tenant.backups.js';
import { MovePlaces } from '../moves/move.places.js';
import { HistoryBroken, HistoryNotKept, HistoryTooShort, MomentAhead } from './history.errors.js';
import {
  entries,
  lastOfEach,
  nameIn,
  NEXT_OF_EACH,
  openAcross,
  PAGE,
  removeKeys,
  replay,
  REPLAYED_COLUMNS,
  type ReplayedColumn,
} from './history.statements.js';
import { HistoryStore } from './history.store.js';
import { LoosePlace } from './loose.place.js';

/** Text that one statement brings at most, in bytes; a longer row is brought by itself. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const COPIES = `SELECT set_config('tenantry.copying', 'on', false)`;
const IS_CLOSED = 'SELECT 1 FROM shared.closures WHERE tenant_id = $1 AND place = $2';

export interface Replay {
  tenantId: string;
  /** Where the history is: where the tenant is served from. */
  source: Placement;
  /** A place of its own into which `base` was loaded under the ids that it has, and which nobody uses. */
  target: Placement;
  base: Pick<Backup, 'id' | 'tenantId'>;
  until: Date;
  /** Called between chunks; throws where the work is to end. */
  check?: () => Promise<void>;
}

interface Last {
  key: string;
  id: string;
  bytes: number | null;
}

/** Brings what was restored from a backup on to a later moment. */
@Injectable()
export class HistoryReplay {
  constructor(
    private readonly store: HistoryStore,
    private readonly backups: TenantBackups,
    private readonly places: MovePlaces,
    private readonly rules: ArchiveRules,
  ) {}

  /**
   * The backup to begin with: the newest good one from before the moment, whose every later change was kept.
   *
   * @throws HistoryNotKept; MomentAhead; HistoryTooShort
   */
  async baseFor(tenantId: string, until: Date): Promise<Backup> {
    const history = await this.store.find(tenantId);
    if (history?.state !== 'on') throw new HistoryNotKept(history?.state ?? 'off');
    if (until > (await this.store.now())) throw new MomentAhead();
    const id = await this.store.baseBefore(tenantId, until);
    if (id === undefined) throw new HistoryTooShort(await this.store.reachesBackTo(tenantId));
    return this.backups.find(id);
  }

  /**
   * Makes every row what it was at a moment: what the last transaction that was over by then has left of it. Which
   * transactions were, their last change says; one that was open counts as if it had not been. Nothing that is taken in
   * depends on what is left out: to go on from a row of another transaction, one has to wait for its end.
   *
   * Changes that the backup has already are brought again, which does no harm: the last one by the moment wins, and whatever
   * the backup has is the same or earlier.
   *
   * May be repeated. A target of which it failed is good for nothing but to be dropped.
   *
   * @returns rows that were put or removed
   * @throws HistoryNotKept, HistoryTooShort, HistoryBroken; MomentAhead
   */
  async apply(wish: Replay): Promise<number> {
    const { tenantId, source, target } = wish;
    if (target.kind === 'shared') throw new Error('Others are served from shared tables.');
    const reader = await this.places.connect(source);
    const writer = await this.places.connect(target);
    try {
      // One moment of the history, whatever is captured or deleted meanwhile. Nobody waits for a lock of it.
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await this.verify(wish, reader);
      await writer.query(COPIES);
      const schema = schemaOf(target);
      let loose: LoosePlace | undefined;
      await this.places.asMigrator(target, async (client) => (loose = await LoosePlace.of(client, schema)));
      const rows = await this.bring(wish, reader, writer);
      await this.places.asMigrator(target, (client) => loose!.tighten(client, tenantId));
      return rows;
    } finally {
      await Promise.all([reader.end(), writer.end()].map((end) => end.catch(() => undefined)));
    }
  }

  /** After the reader sees its moment: what is deleted from now on it still sees. */
  private async verify({ tenantId, source, base, until }: Replay, reader: pg.Client): Promise<void> {
    if ((await reader.query(IS_CLOSED, [tenantId, schemaOf(source)])).rows.length > 0) {
      throw new HistoryBroken('the tenant is not served from there');
    }
    if ((await this.places.historyAt({ client: reader, tenantId }, source)) !== 'all') {
      throw new HistoryBroken('not all of its tables are captured');
    }
    const history = await this.store.find(tenantId);
    if (history?.state !== 'on') throw new HistoryNotKept(history?.state ?? 'off');
    if (until > (await this.store.now())) throw new MomentAhead();
    const { madeAt } = await this.backups.find(base.id);
    if (base.tenantId !== tenantId || madeAt! >= until || !(await this.store.isBase(base))) {
      throw new HistoryTooShort(await this.store.reachesBackTo(tenantId));
    }
  }

  private async bring(wish: Replay, reader: pg.Client, writer: pg.Client): Promise<number> {
    const { tenantId, source, target, until } = wish;
    const [here, there] = [schemaOf(source), schemaOf(target)];
    const moment = until.toISOString();
    const { rows: late } = await reader.query<{ began: string; pid: number }>(openAcross(here), [tenantId, moment]);
    const left = [late.map(({ began }) => began), late.map(({ pid }) => pid)];
    let brought = 0;
    for (const table of await capturedTables(writer, there)) {
      // What a restore does not bring back is not in the history either.
      if (!this.rules.isRewound(table)) continue;
      const name = nameIn(there, table);
      const { rows: columns } = await writer.query<ReplayedColumn>(REPLAYED_COLUMNS, [name]);
      const put = replay(name, columns);
      await reader.query(lastOfEach(here), [tenantId, moment, table, ...left]);
      for (let page = PAGE; page === PAGE;) {
        const { rows } = await reader.query<Last>(NEXT_OF_EACH);
        page = rows.length;
        brought += page;
        const gone = rows.filter(({ bytes }) => bytes === null).map(({ key }) => key);
        if (gone.length > 0) await writer.query(removeKeys(name), [tenantId, gone]);
        for (const ids of chunksOf(rows)) {
          const [chunk] = (await reader.query<{ content: string }>(entries(here), [tenantId, ids])).rows;
          await writer.query(put, [chunk!.content]);
          await wish.check?.();
        }
      }
      await reader.query('CLOSE replayed');
    }
    return brought;
  }
}

function* chunksOf(rows: Last[]): Generator<string[]> {
  let chunk: string[] = [];
  let size = 0;
  for (const { id, bytes } of rows) {
    if (bytes === null) continue;
    if (chunk.length > 0 && size + bytes > CHUNK_BYTES) {
      yield chunk;
      [chunk, size] = [[], 0];
    }
    chunk.push(id);
    size += bytes;
  }
  if (chunk.length > 0) yield chunk;
}
