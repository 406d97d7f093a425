import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { InjectPlatformDataSource, LiveCache, TenantRunner } from '../../tenancy/index.js';
import { PLATFORM_ROLES, type PlatformRole } from './platform-permissions.js';

export const IMPERSONATIONS_CHANNEL = 'tenantry_impersonations';
const CACHE_SIZE = 10_000;

/** Whether an impersonation may still act; asked at every request made under one. */
@Injectable()
export class Impersonations {
  private readonly cache: LiveCache<{ expiresAt: number }>;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly runner: TenantRunner,
    changes: ChangeFeed,
  ) {
    this.cache = new LiveCache(changes.channel(IMPERSONATIONS_CHANNEL), (id) => this.load(id), CACHE_SIZE);
  }

  async inForce(id: string): Promise<boolean> {
    const found = await this.cache.find(id);
    return found !== undefined && found.expiresAt > Date.now();
  }

  private async load(id: string): Promise<{ expiresAt: number } | undefined> {
    const rows = await this.runner.runAsPlatform('impersonation', () =>
      this.platform.query<{ expires_at: Date | null; role: PlatformRole }[]>(
        `SELECT i.expires_at, a.role FROM impersonations i JOIN platform_admins a ON a.id = i.admin_id
          WHERE i.id = $1 AND i.status = 'active' AND a.status = 'active'`,
        [id],
      ),
    );
    const row = rows[0];
    if (!row?.expires_at || !PLATFORM_ROLES[row.role].includes('impersonation:create')) return undefined;
    return { expiresAt: row.expires_at.getTime() };
  }
}
