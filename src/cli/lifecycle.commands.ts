import { Injectable } from '@nestjs/common';
import { SuspendRequest, TenantView } from '../admin/index.js';
import { TenantLifecycle, TenantPurge, type TenantRecord } from '../tenant/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { checked } from './input.js';
import { tenantCard } from './tenant.tables.js';
import { Terminal } from './terminal.js';

/** Takes tenants out of service, back into it, and away. */
@Injectable()
export class LifecycleCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly lifecycle: TenantLifecycle,
    private readonly purge: TenantPurge,
  ) {}

  async suspend(name: string, given: string): Promise<void> {
    const { reason } = await checked(SuspendRequest, { reason: given });
    await this.print(await this.lifecycle.apply(name, 'suspend', { reason: reason.trim() }));
  }

  async apply(name: string, transition: 'resume' | 'archive' | 'restore'): Promise<void> {
    await this.print(await this.lifecycle.apply(name, transition));
  }

  async remove(name: string, confirmation: string): Promise<void> {
    await this.print(await this.lifecycle.scheduleDeletion(name, confirmation));
  }

  async purgeDue(): Promise<void> {
    const { interrupted } = this.terminal;
    const due = await this.purge.countDue();
    const progress = this.terminal.progress();
    let purged = 0;
    try {
      for (let round = 1; round > 0 && !interrupted.aborted; purged += round) {
        progress.update(purged, due, 'purged', purged > 0 ? `${purged} of ${due}` : undefined);
        round = await this.purge.runDue(interrupted);
      }
    } finally {
      progress.end();
    }
    await this.terminal.show(() => [`${purged} purged`], { purged });
    const left = await this.purge.countDue();
    if (left === 0) return;
    throw new CommandFailure(
      interrupted.aborted ? EXIT.interrupted : EXIT.unexpected,
      'purge_incomplete',
      `${left} are still due.`,
      'Run it again. With LOG_LEVEL=debug the reason is on standard error.',
    );
  }

  private async print(record: TenantRecord): Promise<void> {
    const tenant = TenantView.of(record);
    await this.terminal.show(() => tenantCard(tenant), tenant);
  }
}
