import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import {
  isTurnedAway,
  MaintenanceConnections,
  type OwnPlace,
  type Placement,
  ServerDirectory,
  TenantDataSource,
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
    private readonly source: TenantDataSource,
  ) {
    this.connections = new MaintenanceConnections(database, servers);
    this.shared = this.at({ kind: 'shared' });
  }

  at(placement: Placement): OutboxTable {
    return new OutboxTable(placement, this.connections.at(placement));
  }

  /**
   * Does something to events of a tenant wherever they are: they go along when it moves.
   *
   * @param table where they were
   * @throws TenantMoving when the tenant has not arrived in time; what `act` throws otherwise
   */
  async follow<T>(tenantId: string, table: OutboxTable, act: (table: OutboxTable) => Promise<T>): Promise<T> {
    try {
      return await act(table);
    } catch (error) {
      const tenant = isTurnedAway(error) ? await this.tenants.findById(tenantId) : undefined;
      if (!tenant) throw error;
      const was = { ...tenant, placement: table.placement };
      return this.source.fence.follow(was, error, (now) => act(now === was ? table : this.at(now.placement)));
    }
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
