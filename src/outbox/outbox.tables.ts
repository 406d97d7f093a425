import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import {
  MaintenanceConnections,
  type OwnPlace,
  type Placement,
  ServerDirectory,
  TenantDirectory,
} from '../tenancy/index.js';
import { OutboxTable } from './outbox.table.js';

/** Tenants with a place of their own that are asked for at once. */
const PAGE = 1000;

/** The outboxes of all places. */
@Injectable()
export class OutboxTables implements OnApplicationShutdown {
  /** Of the shared tables that the control plane's server has. */
  readonly shared: OutboxTable;
  private readonly connections: MaintenanceConnections;

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    servers: ServerDirectory,
    private readonly tenants: TenantDirectory,
  ) {
    this.connections = new MaintenanceConnections(database, servers);
    this.shared = this.at({ kind: 'shared' });
  }

  at(placement: Placement): OutboxTable {
    return new OutboxTable(this.connections.at(placement));
  }

  /** The tenants whose outbox is not in the tables above. */
  async *elsewhere(): AsyncGenerator<OwnPlace> {
    for (let after: string | undefined; ;) {
      const page = await this.tenants.placedElsewhere(after, PAGE);
      yield* page;
      if (page.length < PAGE) return;
      after = page.at(-1)!.tenantId;
    }
  }

  /** After the relay has stopped, which is before the shutdown of what it uses. */
  async onApplicationShutdown(): Promise<void> {
    await this.connections.end();
  }
}
