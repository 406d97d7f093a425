import { Injectable, type Provider } from '@nestjs/common';
import { ImportCommand } from './import.command.js';
import { KeyCommands } from './key.commands.js';
import { LifecycleCommands } from './lifecycle.commands.js';
import { PlanCommands } from './plan.commands.js';
import { ProvisioningWatch } from './provisioning.watch.js';
import { ServerCommands } from './server.commands.js';
import { TenantCommands } from './tenant.commands.js';

/** What the command line can have done. A new group of commands is one more member here and in `program.ts`. */
@Injectable()
export class Commands {
  constructor(
    readonly tenants: TenantCommands,
    readonly lifecycle: LifecycleCommands,
    readonly imports: ImportCommand,
    readonly plans: PlanCommands,
    readonly servers: ServerCommands,
    readonly keys: KeyCommands,
  ) {}
}

export const COMMAND_PROVIDERS: Provider[] = [
  Commands,
  ImportCommand,
  KeyCommands,
  LifecycleCommands,
  PlanCommands,
  ProvisioningWatch,
  ServerCommands,
  TenantCommands,
];
