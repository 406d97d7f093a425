import type { Command } from 'commander';
import type { Commands } from './commands.js';
import type { MoveOptions } from './move.commands.js';

type Act = (work: (commands: Commands) => Promise<void>) => Promise<void>;

/** The commands that move tenants, and nothing of what they do. */
export function moving(tenants: Command, act: Act): void {
  tenants
    .command('move')
    .description('move a tenant to another isolation or server while it works')
    .argument('<tenant>', 'slug or UUID')
    .requiredOption('--isolation <isolation>', 'shared, schema or database')
    .option('--server <server>', 'where it is now unless given')
    .option('--wait', 'wait until it has moved', false)
    .action((name: string, options: MoveOptions) => act(({ moves }) => moves.begin(name, options)));
  tenants
    .command('moves')
    .description("a tenant's moves, newest first")
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act(({ moves }) => moves.list(name)));
  tenants
    .command('move-wait')
    .description('wait until the move of a tenant has ended')
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act(({ moves }) => moves.wait(name)));
  tenants
    .command('move-abort')
    .description('take a move back, as long as the tenant has not left its place')
    .argument('<tenant>', 'slug or UUID')
    .option('--no-wait', 'do not wait until that is done')
    .action((name: string, { wait }: { wait: boolean }) => act(({ moves }) => moves.abort(name, wait)));
}
