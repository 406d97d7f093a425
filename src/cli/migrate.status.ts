import { headOf, pendingMigrations, type PreparedDatabase } from '../database/index.js';
import type { PlaceMigrations, SharedMigrations } from '../tenant/index.js';
import { failureLines, failureViews } from './migrate.report.js';
import { Table } from './table.js';

/** How far from head everything is, by what the control plane knows; nothing is asked of the places themselves. */
export async function statusOf(
  database: PreparedDatabase,
  places: PlaceMigrations,
  shared: SharedMigrations,
): Promise<{ lines: string[]; view: object }> {
  const head = headOf(database.migrations);
  const pending = await pendingMigrations(database.url('migrator', true), database.migrations);
  const kept = await shared.isKept();
  const servers = kept ? await shared.versions() : [];
  const versions = kept ? await places.ledger.versions() : [];
  const failed = kept ? await places.ledger.failures() : [];
  const lines = [`Head: ${head}`, `Platform and shared tables: ${pending.length} to run`];
  for (const { server, version, error } of servers) {
    lines.push(`Shared tables of ${server}: at ${version ?? 'nothing'}${error === null ? '' : `, failed: ${error}`}`);
  }
  if (versions.length > 0) {
    const table = new Table(['SERVER', 'KIND', 'VERSION', 'PLACES', 'SPARE', 'FAILED']);
    const rows = versions.map(({ server, kind, version, places: many, spare, failed: failures }) => [
      server,
      kind,
      version === head ? 'head' : version,
      String(many),
      String(spare),
      String(failures),
    ]);
    lines.push('', ...table.rows(rows));
  }
  lines.push(...failureLines(failed));
  return { lines, view: { head, pending, servers, versions, failed: failureViews(failed) } };
}
