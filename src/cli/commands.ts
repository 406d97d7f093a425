import { Injectable, type Provider } from '@nestjs/common';
import { ArchiveCommands } from './archive.commands.js';
import { BackupCommands } from './backup.commands.js';
import { ErasureCommands } from './erasure.commands.js';
import { HistoryCommands } from './history.commands.js';
import { ImportCommand } from './import.command.js';
import { KeyCommands } from './key.commands.js';
import { LifecycleCommands } from './lifecycle.commands.js';
import { MasterKeyCommands } from './master-key.commands.js';
import { MoveCommands } from './move.commands.js';
import { PlanCommands } from './plan.commands.js';
import { ProvisioningWatch } from './provisioning.watch.js';
import { RestoreCommands } from './restore.commands.js';
import { ServerCommands } from './server.commands.js';
import { TenantCommands } from './tenant.commands.js';

/** What the command line can have done. A new group of commands is one more member here and in `program.ts`. */
@Injectable()
export class Commands {
  constructor(
    readonly tenants: TenantCommands,
    readonly lifecycle: LifecycleCommands,
    readonly erasures: ErasureCommands,
    readonly moves: MoveCommands,
    readonly restores: RestoreCommands,
    readonly histories: HistoryCommands,
    readonly imports: ImportCommand,
    readonly archives: ArchiveCommands,
    readonly backups: BackupCommands,
    readonly plans: PlanCommands,
    readonly servers: ServerCommands,
    readonly keys: KeyCommands,
    readonly masterKeys: MasterKeyCommands,
  ) {}
}

export const COMMAND_PROVIDERS: Provider[] = [
  ArchiveCommands,
  BackupCommands,
  Commands,
  ErasureCommands,
  HistoryCommands,
  ImportCommand,
  KeyCommands,
  LifecycleCommands,
  MasterKeyCommands,
  MoveCommands,
  PlanCommands,
  ProvisioningWatch,
  RestoreCommands,
  ServerCommands,
  TenantCommands,
];
