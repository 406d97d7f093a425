import type { Command } from 'commander';
import type { Commands } from './commands.js';

type Act = (work: (commands: Commands) => Promise<void>) => Promise<void>;

/** The commands about backups, and nothing of what they do. */
export function backingUp(backups: Command, act: Act): void {
  backups
    .command('run')
    .description('back up a tenant, or all of them, now')
    .argument('[tenant]', 'slug or UUID; all unless given')
    .action((name: string | undefined) => act((commands) => commands.backups.run(name)));
  backups
    .command('list')
    .description('the last 200 backups, newest first')
    .argument('[tenant]', 'slug or UUID; of all tenants unless given')
    .action((name: string | undefined) => act((commands) => commands.backups.list(name)));
  backups
    .command('verify')
    .description('read a backup to its end, and compare all its sums')
    .argument('<id>', 'of the backup')
    .action((id: string) => act((commands) => commands.backups.verify(id)));
}
