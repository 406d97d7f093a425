import pg from 'pg';
import { isOlder, nameOf } from './migration.names.js';
import type { MigrationSet } from './migrator.js';
import { headOf } from './place.migrator.js';

interface LedgerRow {
  name: string;
  oldest: string | null;
}

export interface PlaceVersion {
  /** Whether it lacks migrations that this application has. */
  behind: boolean;
  /** Why this application cannot serve from it, in words. */
  problems: string[];
}

/**
 * Whether this application works with what a place is at, by the place's own ledger: that of the control plane knows
 * nothing of a database that was restored.
 *
 * @param client as the role that serves from it
 */
export async function versionOfPlace(
  client: Pick<pg.ClientBase, 'query'>,
  schema: string,
  sets: MigrationSet[],
): Promise<PlaceVersion> {
  const { rows } = await client.query<LedgerRow>(
    `SELECT name, oldest_application AS oldest FROM ${pg.escapeIdentifier(schema)}.migrations ORDER BY "timestamp"`,
  );
  const head = headOf(sets);
  const { oldestSupported = head, migrations = [] } = sets.find((set) => set.schema === 'shared') ?? {};
  const known = new Set(migrations.map(nameOf));
  const version = rows.at(-1)?.name;
  const problems: string[] = [];
  if (isOlder(version, oldestSupported)) {
    problems.push(`It is at ${version ?? 'nothing'}; this application works from ${oldestSupported} on.`);
  }
  // A product's own migrations may be newer than one that came with a later release of Tenantry.
  const done = new Set(rows.map(({ name }) => name));
  const lacks = migrations.map(nameOf).filter((name) => !done.has(name) && isOlder(name, version ?? ''));
  const needed = lacks.filter((name) => !isOlder(oldestSupported, name));
  if (needed.length > 0) problems.push(`It lacks ${needed.join(', ')}, which came after newer ones had run.`);
  for (const { name, oldest } of rows) {
    if (oldest !== null && !known.has(oldest) && isOlder(head, oldest)) {
      problems.push(`Its migration ${name} works with applications from ${oldest} on; this one is at ${head}.`);
    }
  }
  return { behind: lacks.length > 0 || isOlder(version, head), problems };
}
