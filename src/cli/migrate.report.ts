import type { FailedPlace, MigratedPlace, MigratedServer } from '../tenant/index.js';
import { Table } from './table.js';
import type { Progress } from './terminal.js';

/** Without a terminal, so many lines tell how far it is. */
const LINES = 20;

/** What a run of migrations has done. */
export class MigrateReport {
  migrated = 0;
  failures = 0;
  /** Places that are still behind. */
  left = 0;
  failed: FailedPlace[] = [];
  private readonly servers: MigratedServer[] = [];
  private readonly started = performance.now();

  /** @param tables migrations of platform and shared tables that ran */
  constructor(private readonly tables: string[]) {}

  server(outcome: MigratedServer): void {
    this.servers.push(outcome);
  }

  get complete(): boolean {
    return this.left === 0 && this.servers.every(({ error }) => error === undefined);
  }

  listener(total: number, progress: Progress): (outcome: MigratedPlace) => void {
    const every = Math.max(1, Math.floor(total / LINES));
    return ({ place, error }) => {
      if (error === undefined) this.migrated += 1;
      else this.failures += 1;
      const done = this.migrated + this.failures;
      const failed = this.failures > 0 ? `, ${this.failures} failed` : '';
      const line = done % every === 0 ? `${done} of ${total}${failed}` : undefined;
      const text = error === undefined ? line : `  ${place.server} ${place.name}: ${error}`;
      progress.update(done, total, `places${failed}`, text);
    };
  }

  lines(): string[] {
    const lines = [`Platform and shared tables: ${count(this.tables.length, 'migration')}.`];
    for (const { server, ran, error } of this.servers) {
      lines.push(`Shared tables of ${server}: ${error ?? count(ran.length, 'migration')}.`);
    }
    const seconds = (this.seconds / 1000).toFixed(1);
    lines.push(`${count(this.migrated, 'place')} migrated in ${seconds} s, ${this.left} left behind.`);
    return [...lines, ...failureLines(this.failed)];
  }

  view(): object {
    return {
      tables: this.tables,
      servers: this.servers.map(({ server, ran, ms, error }) => ({ server, ran, ms, error: error ?? null })),
      migrated: this.migrated,
      left: this.left,
      ms: Math.round(this.seconds),
      failed: failureViews(this.failed),
    };
  }

  private get seconds(): number {
    return performance.now() - this.started;
  }
}

export function failureLines(failed: FailedPlace[]): string[] {
  if (failed.length === 0) return [];
  const table = new Table(['TENANT', 'SERVER', 'PLACE', 'VERSION', 'ERROR']);
  return [
    '',
    ...table.rows(
      failed.map(({ tenant, server, name, version, error }) => [
        tenant ?? '(spare)',
        server,
        name,
        version ?? '',
        error,
      ]),
    ),
  ];
}

export function failureViews(failed: FailedPlace[]): object[] {
  return failed.map(({ tenant, server, name, kind, version, error, startedAt, endedAt }) => ({
    tenant,
    server,
    name,
    kind,
    version,
    error,
    started_at: startedAt,
    ended_at: endedAt,
  }));
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
