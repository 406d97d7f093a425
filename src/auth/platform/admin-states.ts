import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { InjectPlatformDataSource, LiveCache } from '../../tenancy/index.js';
import { PLATFORM_ROLES, type PlatformRole } from './platform-permissions.js';

/** Ids of platform admins that changed. */
export const ADMINS_CHANNEL = 'tenantry_platform_admins';
const CACHE_SIZE = 1000;

/** What every request of a platform admin is checked against. */
export interface AdminState {
  id: string;
  name: string;
  email: string;
  role: PlatformRole;
  active: boolean;
  tokenVersion: number;
  permissions: ReadonlySet<string>;
  devices: ReadonlySet<string>;
  mustChangePassword: boolean;
}

interface AdminRow {
  id: string;
  name: string;
  email: string;
  role: PlatformRole;
  status: string;
  token_version: number;
  devices: string[];
  must_change_password: boolean;
}

/** The present state of platform admins, cached per process and dropped the moment any process changes it. */
@Injectable()
export class AdminStates {
  private readonly cache: LiveCache<AdminState>;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    changes: ChangeFeed,
  ) {
    this.cache = new LiveCache(changes.channel(ADMINS_CHANNEL), (id) => this.load(id), CACHE_SIZE);
  }

  find(id: string): AdminState | undefined | Promise<AdminState | undefined> {
    return this.cache.find(id);
  }

  /** @param manager of the transaction of the change: the others hear of it at the commit */
  async changed(id: string, manager: Pick<EntityManager, 'query'> = this.platform): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [ADMINS_CHANNEL, id]);
    // Outside a transaction it is in force by now, and here the news need not come back first.
    this.cache.invalidate([id]);
  }

  private async load(id: string): Promise<AdminState | undefined> {
    const [row] = await this.platform.query<AdminRow[]>(
      `SELECT a.id, a.name, a.email, a.role, a.status, a.token_version, a.must_change_password,
              ARRAY(SELECT d.id::text FROM platform_devices d WHERE d.user_id = a.id AND d.expires_at > now()) AS devices
         FROM platform_admins a WHERE a.id = $1`,
      [id],
    );
    if (!row) return undefined;
    return {
      id: row.id,
      name: row.name,
      email: row.email,
      role: row.role,
      active: row.status === 'active',
      tokenVersion: row.token_version,
      permissions: new Set<string>(PLATFORM_ROLES[row.role]),
      devices: new Set(row.devices),
      mustChangePassword: row.must_change_password,
    };
  }
}
