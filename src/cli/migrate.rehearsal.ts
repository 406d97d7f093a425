import { type PreparedDatabase, rehearse, type RehearsedMigration } from '../database/index.js';
import type { PlaceMigrations, SharedMigrations } from '../tenant/index.js';

interface Part {
  /** Whose tables. */
  title: string;
  migrations: RehearsedMigration[];
}

/** What migrations would send, told by running them and taking all of it back. */
export async function rehearsal(
  database: PreparedDatabase,
  places: PlaceMigrations,
  shared: SharedMigrations,
  tenantId: string | undefined,
): Promise<{ lines: string[]; view: object }> {
  const parts: Part[] = [];
  if (tenantId === undefined) {
    const tables = await rehearse(database.url('migrator', true), database.migrations);
    parts.push({ title: 'platform and shared tables', migrations: tables });
    const servers = (await shared.isKept()) ? await shared.behind() : [];
    for (const server of servers) {
      parts.push({ title: `shared tables of ${server}`, migrations: await shared.rehearse(server) });
    }
  }
  for (const { places: many, ...place } of await places.ledger.likenesses(tenantId)) {
    const others = many === 1 ? '' : ` and ${many - 1} more like it`;
    const title = `${place.kind} ${place.name} of ${place.server}, at ${place.version}${others}`;
    parts.push({ title, migrations: await places.rehearse(place) });
  }
  const pending = parts.filter(({ migrations }) => migrations.length > 0);
  return {
    lines: pending.length === 0 ? ['-- Nothing to do.'] : pending.flatMap(linesOf),
    view: { parts: pending },
  };
}

function linesOf({ title, migrations }: Part): string[] {
  const statements = migrations.flatMap(({ name, statements }) => [
    `-- ${name}`,
    ...statements.map((sql) => `${sql};`),
  ]);
  return [`-- ${title}`, ...statements, ''];
}
