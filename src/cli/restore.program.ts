import type { Command } from 'commander';
import type { Commands } from './commands.js';
import type { RestoreOptions } from './restore.commands.js';

type Act = (work: (commands: Commands) => Promise<void>) => Promise<void>;

/** The commands that restore tenants from backups, and nothing of what they do. */
export function restoring(tenants: Command, act: Act): void {
  tenants
    .command('restore-backup')
    .description('bring a backup of a tenant, or what it was at a moment, beside its present rows, and compare them')
    .argument('<tenant>', 'slug or UUID')
    .option('--backup <id>', 'one of its own')
    .option('--at <time>', 'a moment that its history reaches back to, as of RFC 3339')
    .option('--wait', 'wait until it can be swapped in', false)
    .action((name: string, options: RestoreOptions) => act(({ restores }) => restores.begin(name, options)));
  tenants
    .command('restores')
    .description("a tenant's restores, newest first")
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act(({ restores }) => restores.list(name)));
  tenants
    .command('restore-wait')
    .description('wait until the restore of a tenant is ready, swapped in or discarded')
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act(({ restores }) => restores.wait(name)));
  tenants
    .command('restore-swap')
    .description('have a tenant served from what was restored; a backup is made before')
    .argument('<tenant>', 'slug or UUID')
    .requiredOption('--confirm <slug>', 'the slug, typed again')
    .option('--wait', 'wait until that is done', false)
    .action((name: string, { confirm, wait }: { confirm: string; wait: boolean }) =>
      act(({ restores }) => restores.swap(name, confirm, wait)),
    );
  tenants
    .command('restore-discard')
    .description('drop what was restored; the tenant stays as it is')
    .argument('<tenant>', 'slug or UUID')
    .option('--no-wait', 'do not wait until that is done')
    .action((name: string, { wait }: { wait: boolean }) => act(({ restores }) => restores.discard(name, wait)));
}
