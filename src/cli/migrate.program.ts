import { type Command, InvalidArgumentError } from 'commander';
import type { MigrateCommands, MigrateOptions } from './migrate.commands.js';

export type MigrationAct = (work: (commands: MigrateCommands) => Promise<void>) => Promise<void>;

/** Commands that bring tables to head, or say how far from it they are. */
export function migrating(migrate: Command, act: MigrationAct): void {
  migrate
    .command('run', { isDefault: true })
    .description('bring platform and shared tables to head, then the schema or database of every tenant')
    .option('--parallel <n>', 'places migrated at once; 2 to 4 by the number of cores unless given', count)
    .option('--canary <n>', 'migrate so many places first, then ask whether to go on', count)
    .option('--yes', 'go on unasked once the first places are migrated')
    .option('--tenant <tenant>', 'slug or UUID: only what this tenant has of its own')
    .option('--dry-run', 'print the SQL that would run; each migration is run and taken back')
    .action((options: MigrateOptions) => act((commands) => commands.run(options)));
  migrate
    .command('status')
    .description('how many schemas and databases are at which version, and what failed')
    .action(() => act((commands) => commands.status()));
}

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a number from 1 on.');
  return Number(text);
}
