import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ChangeFeed } from '../changes/index.js';
import { InjectPlatformDataSource, PlanReserves, type Reserve } from '../tenancy/index.js';

/** NOTIFY channel of changes to plans; payloads are empty. */
export const PLANS_CHANNEL = 'tenantry_plans';
const RESERVES = `SELECT name, reserved_connections AS connections, reserved_workers AS workers FROM plans
  WHERE reserved_connections > 0 OR reserved_workers > 0 ORDER BY position DESC`;

/** What plans reserve, as the registry says, kept at hand. The greatest plan comes first. */
@Injectable()
export class PostgresPlanReserves extends PlanReserves implements OnModuleInit, OnApplicationBootstrap {
  private readonly logger = new Logger('Plans');
  connections: Reserve = new Map();
  workers: Reserve = new Map();

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly feed: ChangeFeed,
  ) {
    super();
  }

  onModuleInit(): void {
    this.feed.on(PLANS_CHANNEL, () => void this.load());
  }

  onApplicationBootstrap(): Promise<void> {
    return this.load();
  }

  /** Never fails: what was known stays in force. */
  private async load(): Promise<void> {
    try {
      const rows = await this.platform.query<{ name: string; connections: number; workers: number }[]>(RESERVES);
      const of = (key: 'connections' | 'workers'): Reserve =>
        new Map(rows.filter((row) => row[key] > 0).map((row) => [row.name, row[key]]));
      this.connections = of('connections');
      this.workers = of('workers');
    } catch (error) {
      this.logger.warn({ err: error }, 'What plans reserve could not be read');
    }
  }
}
