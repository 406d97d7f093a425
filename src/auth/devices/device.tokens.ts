import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import {
  CredentialCodec,
  InjectPlatformDataSource,
  NO_TENANT,
  TenantContext,
  TenantTransaction,
} from '../../tenancy/index.js';
import { RefreshFamilies } from '../tokens/refresh-families.js';

/** Refresh tokens of the current tenant's users. */
@Injectable()
export class DeviceTokens extends RefreshFamilies {
  protected readonly table = {
    name: 'devices',
    ownerColumn: 'tenant_id, ',
    ownerValue: '$1, ',
    inScope: 'tenant_id = $1',
  };

  constructor(
    credentials: CredentialCodec,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
  ) {
    super('refresh', credentials, database.keys);
  }

  protected owner(): string {
    return this.context.currentOrThrow('A refresh token').id;
  }

  protected run<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return this.transaction.query<Row>(sql, parameters);
  }
}

/** Refresh tokens of platform admins. */
@Injectable()
export class PlatformDeviceTokens extends RefreshFamilies {
  protected readonly table = {
    name: 'platform_devices',
    ownerColumn: '',
    ownerValue: '',
    inScope: '$1::uuid IS NOT NULL',
  };
  private readonly joined: QueryRunner | undefined;

  constructor(
    credentials: CredentialCodec,
    @Inject(DATABASE) database: PreparedDatabase,
    @InjectPlatformDataSource() private readonly platform: DataSource,
  ) {
    super('platform-refresh', credentials, database.keys);
  }

  /** The same as a part of an open transaction. */
  within({ queryRunner }: EntityManager): PlatformDeviceTokens {
    return Object.create(this, { joined: { value: queryRunner } }) as PlatformDeviceTokens;
  }

  protected owner(): string {
    return NO_TENANT;
  }

  protected async run<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    if (this.joined) return (await this.joined.query(sql, parameters, true)).records as Row[];
    const runner = this.platform.createQueryRunner();
    try {
      return (await runner.query(sql, parameters, true)).records as Row[];
    } finally {
      await runner.release();
    }
  }
}
