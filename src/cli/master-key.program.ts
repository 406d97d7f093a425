import type { Command } from 'commander';
import type { MasterKeyCommands } from './master-key.commands.js';

type MasterKeyAct = (work: (commands: MasterKeyCommands) => Promise<void>) => Promise<void>;

/** Commands that replace MASTER_KEY while everything runs. */
export function replacingMasterKey(masterKey: Command, act: MasterKeyAct): void {
  masterKey
    .command('list')
    .description('ids of the master keys that are accepted')
    .action(() => act((commands) => commands.list()));
  masterKey
    .command('rotate')
    .description(
      'accept MASTER_KEY beside MASTER_KEY_PREVIOUS; with neither set, make a new one in DATA_DIR. What is running goes ' +
        'on, and processes start with either',
    )
    .action(() => act((commands) => commands.rotate()));
  masterKey
    .command('retire')
    .description('accept no other than MASTER_KEY any more, once all processes were started with it')
    .action(() => act((commands) => commands.retire()));
}
