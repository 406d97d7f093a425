import { headOf, isOlder, type MigrationSet, nameOf, tenantMigrations } from '../../database/index.js';
import { ArchiveVersionRefused } from './archive.errors.js';

/**
 * Migrations after OLDEST_SUPPORTED only add what may be missing, as docs/migrations.md says and a test holds on to: so
 * rows from before them fit the tables of today.
 *
 * @param archive the newest migration of the place that it was read from, and the application that did, where that is known
 * @throws ArchiveVersionRefused
 */
export function checkArchiveVersion(
  sets: MigrationSet[],
  { migration, application }: { migration: string; application?: string },
): void {
  const oldest = sets.find(({ schema }) => schema === 'shared')?.oldestSupported ?? headOf(sets);
  if (!tenantMigrations(sets).some((known) => nameOf(known) === migration)) {
    throw new ArchiveVersionRefused(
      `The archive was made at ${migration.slice(0, 100)}, which this application does not know.`,
      'Import it with an application at least as new as the one that made it.',
    );
  }
  if (isOlder(migration, oldest)) {
    const by = application === undefined ? '' : ` by ${application}`;
    throw new ArchiveVersionRefused(
      `The archive was made at ${migration}${by}; this application takes archives from ${oldest} on.`,
      'Import it with the application that made it, upgrade that, and export it again.',
    );
  }
}
