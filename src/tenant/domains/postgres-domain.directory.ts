import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { DomainDirectory, InjectPlatformDataSource, type TenantReference } from '../../tenancy/index.js';
import { DOMAINS_CHANNEL } from './domain.channel.js';

/** Looks proven domains up in the control plane; hears of changes through the change feed. */
@Injectable()
export class PostgresDomainDirectory extends DomainDirectory {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly changes: ChangeFeed,
  ) {
    super();
  }

  get live(): boolean {
    return this.changes.live;
  }

  onChange(listener: (domains: string[] | undefined) => void): void {
    this.changes.on(DOMAINS_CHANNEL, listener);
  }

  async findByDomain(domain: string): Promise<TenantReference | undefined> {
    const [row] = await this.platform.query<TenantReference[]>(
      `SELECT t.id AS "tenantId", t.slug FROM tenant_domains d JOIN tenants t ON t.id = d.tenant_id
        WHERE d.domain = $1 AND d.status = 'verified'`,
      [domain],
    );
    return row && Object.freeze(row);
  }
}
