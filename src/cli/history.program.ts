import { type Command, Option } from 'commander';
import type { Commands } from './commands.js';
import type { HistoryOptions } from './history.commands.js';

type Act = (work: (commands: Commands) => Promise<void>) => Promise<void>;

/** The command about what is kept of the past of tenants, and nothing of what it does. */
export function remembering(tenants: Command, act: Act): void {
  tenants
    .command('history')
    .description('keep every change of a tenant, or see how far back that reaches')
    .argument('<tenant>', 'slug or UUID')
    .option('--days <days>', 'switch it on, or change for how long changes are kept')
    .addOption(new Option('--off', 'switch it off, and delete what is kept').conflicts('days'))
    .action((name: string, options: HistoryOptions) => act(({ histories }) => histories.run(name, options)));
}
