import pg from 'pg';
import { vi } from 'vitest';
import { newId } from '../../src/common/index.js';
import { capturedTables } from '../../src/database/index.js';
import { type Placement, schemaOf, TenantRunner } from '../../src/tenancy/index.js';
import { ArchiveRules, HistoryReplay, PlaceBuilder, placementOf, PlaceStore } from '../../src/tenant/index.js';
import { copyRows } from '../../src/tenant/moves/move.copier.js';
import { MovePlace } from '../../src/tenant/moves/move.place.js';
import { movedTables } from '../../src/tenant/moves/moved.tables.js';
import { sumsOfAll } from '../../src/tenant/moves/row.statements.js';
import type { SignedInAdmin } from './platform.js';
import type { TestApp } from './test-app.js';
import { withDatabase } from './test-env.js';

export const historyOf = (slug: string): string => `/api/admin/tenants/${slug}/history`;

/** Numbers and sums of the rows of each table. */
export type State = Record<string, unknown>;

/** Keeps histories, and replays them on what a backup would hold. */
export class HistoryBench {
  private readonly spare: Placement[] = [];

  constructor(
    readonly t: TestApp,
    readonly admin: SignedInAdmin,
  ) {}

  asPlatform<T>(work: () => Promise<T>): Promise<T> {
    return this.t.app.get(TenantRunner).runAsPlatform('test', work);
  }

  /** Switches the history on, and waits until there is a backup to begin with. */
  async keep(slug: string, days = 7): Promise<void> {
    const answer = await this.admin.send('PUT', historyOf(slug), { days });
    if (answer.status !== 202) throw new Error(answer.text);
    await vi.waitFor(
      async () => {
        const { json } = await this.admin.get(historyOf(slug));
        if (json.state !== 'on' || json.reaches_back_to === null) throw new Error(JSON.stringify(json));
      },
      { timeout: 30_000, interval: 50 },
    );
  }

  async drop(slug: string): Promise<void> {
    await this.admin.send('DELETE', historyOf(slug));
    await vi.waitFor(
      async () => {
        const { json } = await this.admin.get(historyOf(slug));
        if (json.state !== 'off') throw new Error(JSON.stringify(json));
      },
      { timeout: 30_000, interval: 50 },
    );
  }

  /** A place of its own with the rows that the tenant has now, as if loaded from a backup. */
  async load(slug: string): Promise<Placement> {
    const { id, placement } = await this.t.tenant(slug);
    const target = this.spare.pop() ?? (await this.make());
    await this.copy(id, placement, target);
    return target;
  }

  /** The same rows in another place. */
  async clone(tenantId: string, from: Placement): Promise<Placement> {
    const target = this.spare.pop() ?? (await this.make());
    await this.copy(tenantId, from, target);
    return target;
  }

  /** Gives a place back, to be used again. */
  async free(placement: Placement): Promise<void> {
    await this.at(placement, async (client) => {
      const tables = await capturedTables(client, schemaOf(placement));
      await client.query(`TRUNCATE ${tables.join(', ')}`);
    });
    this.spare.push(placement);
  }

  /** @returns what is there after the loaded rows were brought on to a moment */
  async replay(slug: string, target: Placement, until: Date): Promise<State> {
    const { id: tenantId, placement: source } = await this.t.tenant(slug);
    const replay = this.t.app.get(HistoryReplay);
    await this.asPlatform(async () => {
      const base = await replay.baseFor(tenantId, until);
      await replay.apply({ tenantId, source, target, base, until });
    });
    return this.stateAt(target, tenantId);
  }

  async state(slug: string): Promise<State> {
    const { id, placement } = await this.t.tenant(slug);
    return this.stateAt(placement, id);
  }

  stateAt(placement: Placement, tenantId: string): Promise<State> {
    return this.at(placement, async (client) => {
      const found: State = {};
      for (const table of await capturedTables(client, schemaOf(placement))) {
        if (!this.t.app.get(ArchiveRules).isRewound(table)) continue;
        found[table] = (await client.query(sumsOfAll(table), [tenantId])).rows[0];
      }
      return found;
    });
  }

  /** A moment of the database's clock that lies between what was committed and what comes. */
  async moment(): Promise<Date> {
    await new Promise((resolve) => setTimeout(resolve, 3));
    const [row] = await this.t.database.admin<{ now: Date }>('SELECT clock_timestamp() AS now');
    await new Promise((resolve) => setTimeout(resolve, 3));
    return row!.now;
  }

  /** A client of the superuser at a place, whose values are written as text in one way only. */
  async at<T>(placement: Placement, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const { adminUrl } = this.t.database;
    const url = placement.kind === 'database' ? withDatabase(adminUrl, placement.database) : adminUrl;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(`SELECT set_config('search_path', $1, false), set_config('TimeZone', 'UTC', false)`, [
        schemaOf(placement),
      ]);
      return await work(client);
    } finally {
      await client.end();
    }
  }

  /** Of a tenant that nobody knows, so that it is nobody's to take or to drop. */
  private async make(): Promise<Placement> {
    const place = await this.t.app.get(PlaceStore).plan({ kind: 'schema', server: 'default', tenantId: newId() });
    await this.t.app.get(PlaceBuilder).build(place);
    return placementOf(place);
  }

  private async copy(tenantId: string, from: Placement, to: Placement): Promise<void> {
    const { prepared } = this.t.database;
    const open = (placement: Placement): Promise<MovePlace> =>
      // A connection that was ended lets go of its locks a little later.
      vi.waitFor(
        () =>
          MovePlace.open(
            prepared.url('maintenance', true, placement.kind === 'database' ? placement.database : undefined),
            placement,
            tenantId,
          ),
        { timeout: 5000, interval: 20 },
      );
    const [source, target] = [await open(from), await open(to)];
    try {
      const rules = this.t.app.get(ArchiveRules);
      const tables = (await movedTables(source, target)).filter(
        ({ name }) => name !== 'history' && rules.isRewound(name),
      );
      await source.client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      const snapshot = {
        query: async (sql: string, values: unknown[]) => (await source.client.query(sql, values)).rows as never,
      };
      await copyRows({ snapshot, source, target }, tables, undefined, () => Promise.resolve());
    } finally {
      await Promise.all([source.end(), target.end()]);
    }
  }
}
