import type { Command } from 'commander';
import type { RecoveryCommands } from './recovery.commands.js';

export type RecoveryAct = (work: (commands: RecoveryCommands) => Promise<void>) => Promise<void>;

/** Commands that restore what dumps do not hold. */
export function recovering(recover: Command, act: RecoveryAct): void {
  recover
    .command('roles')
    .description('make the roles that a dump of the control plane needs, before it is restored')
    .argument('<dump>', 'a file of SQL with rows, as of pg_restore -f -; or - for standard input')
    .action((file: string) => act((commands) => commands.roles(file)));
  recover
    .command('places')
    .description('after that: make the roles and databases of tenants that are missing, and say what there is')
    .action(() => act((commands) => commands.places()));
}
