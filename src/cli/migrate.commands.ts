import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { PreparedDatabase } from '../database/index.js';
import { type MigrationRun, PlaceMigrations, Servers, SharedMigrations } from '../tenant/index.js';
import { CommandFailure, EXIT, Interrupted, UsageFailure } from './exit-codes.js';
import { MigrateReport } from './migrate.report.js';
import { rehearsal } from './migrate.rehearsal.js';
import { statusOf } from './migrate.status.js';
import type { Progress, Terminal } from './terminal.js';

/** How often is looked whether another run is done with what it has in hand, in ms. */
const LOOK_MS = 200;

export interface MigrateOptions {
  parallel?: number;
  canary?: number;
  yes?: boolean;
  tenant?: string;
  dryRun?: boolean;
}

/** Brings platform and shared tables to head, then every schema and database; whatever fails, the others go on. */
export class MigrateCommands {
  private readonly places: PlaceMigrations;
  private readonly shared: SharedMigrations;

  constructor(
    private readonly terminal: Terminal,
    private readonly database: PreparedDatabase,
    private readonly platform: DataSource,
  ) {
    const servers = new Servers(platform, database);
    this.places = new PlaceMigrations(platform, database, servers);
    this.shared = new SharedMigrations(platform, database, servers);
  }

  async run(options: MigrateOptions): Promise<void> {
    if (options.dryRun) return this.rehearse(options);
    if (options.yes && options.canary === undefined) throw new UsageFailure('--yes is of use with --canary only.');
    const report = new MigrateReport(await this.database.migrate());
    const tenantId = options.tenant === undefined ? undefined : await this.tenantOf(options.tenant);
    if (tenantId === undefined) {
      for (const server of await this.shared.behind()) report.server(await this.shared.migrate(server));
    }
    const run = await this.places.begin();
    try {
      const stopped = await this.migratePlaces(run, options, tenantId, report);
      report.failed = await this.places.ledger.failures(tenantId);
      report.left = await this.places.ledger.countBehind({ tenantId });
      await this.terminal.show(() => report.lines(), report.view());
      if (stopped) throw stopped;
    } finally {
      await run.close();
    }
    if (this.terminal.interrupted.aborted) throw new Interrupted('Interrupted; run it again to go on.');
    if (!report.complete) throw incomplete();
  }

  async status(): Promise<void> {
    const { lines, view } = await statusOf(this.database, this.places, this.shared);
    await this.terminal.show(() => lines, view);
  }

  private async rehearse({ tenant }: MigrateOptions): Promise<void> {
    const tenantId = tenant === undefined ? undefined : await this.tenantOf(tenant);
    const { lines, view } = await rehearsal(this.database, this.places, this.shared, tenantId);
    await this.terminal.show(() => lines, view);
  }

  /** @returns why it stopped before all were tried */
  private async migratePlaces(
    run: MigrationRun,
    { canary, yes, parallel = Math.max(2, Math.min(4, os.availableParallelism())) }: MigrateOptions,
    tenantId: string | undefined,
    report: MigrateReport,
  ): Promise<CommandFailure | undefined> {
    const { ledger } = this.places;
    const total = await ledger.countBehind({ tenantId });
    const signal = this.terminal.interrupted;
    const progress = this.terminal.progress();
    const options = { parallel, tenantId, signal, onPlace: report.listener(total, progress) };
    try {
      if (canary !== undefined && canary < total) {
        const taken = await run.migrate({ ...options, limit: canary });
        progress.end();
        if (report.failures > 0) return incomplete();
        if (!signal.aborted && !yes) {
          const answer = await this.terminal.confirm(
            `${taken} of ${total} places are migrated. Go on with the others?`,
          );
          if (answer !== true) return unconfirmed(taken, total);
        }
      }
      await this.untilDone(run, options, progress);
    } finally {
      progress.end();
    }
    return undefined;
  }

  /** What another run has in hand is left to it, and taken up should that run die. */
  private async untilDone(
    run: MigrationRun,
    options: Parameters<MigrationRun['migrate']>[0],
    progress: Progress,
  ): Promise<void> {
    const { interrupted } = this.terminal;
    for (let told = false; !interrupted.aborted;) {
      const taken = await run.migrate(options);
      const others = await run.inOtherHands(options);
      if (others === 0 && (taken === 0 || run.lost)) return;
      if (others === 0) continue;
      if (!told) {
        progress.end();
        this.terminal.note(`Another run has ${others} in hand; waiting for it.`);
        told = true;
      }
      await sleep(LOOK_MS, undefined, { signal: interrupted }).catch(() => undefined);
    }
  }

  private async tenantOf(name: string): Promise<string> {
    const rows = await this.platform.query<{ id: string }[]>(
      'SELECT id FROM tenants WHERE slug = $1 OR id::text = $1',
      [name],
    );
    if (rows[0]) return rows[0].id;
    const remedy = 'Look it up with "tenants list --search TEXT".';
    throw new CommandFailure(EXIT.unknown, 'tenant_unknown', `There is no tenant ${name}.`, remedy);
  }
}

function incomplete(): CommandFailure {
  return new CommandFailure(
    EXIT.incomplete,
    'migration_incomplete',
    'Not everything could be migrated; what failed is named.',
    'Mend the reason and run it again; it goes on with what is left.',
  );
}

function unconfirmed(taken: number, total: number): CommandFailure {
  return new CommandFailure(
    EXIT.unconfirmed,
    'migration_unconfirmed',
    `${taken} of ${total} places are migrated; the others wait for a yes.`,
    'Look at the migrated ones, then run it again without --canary, or with --yes.',
  );
}
