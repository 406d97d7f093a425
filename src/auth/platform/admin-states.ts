import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
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
  /** Not disabled, and with the second factor that everybody needs outside demo mode. */
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
  mfa_enabled: boolean;
}

/** The present state of platform admins, cached per process and dropped the moment any process changes it. */
@Injectable()
export class AdminStates {
  private readonly cache: LiveCache<AdminState>;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly changes: ChangeFeed,
  ) {
    this.cache = new LiveCache(changes.channel(ADMINS_CHANNEL), (id) => this.load(id), CACHE_SIZE);
  }

  find(id: string): AdminState | undefined | Promise<AdminState | undefined> {
    return this.cache.find(id);
  }

  /** The same past what this process knows: of a sign-in just now it may not have heard. */
  findAnew(id: string): AdminState | undefined | Promise<AdminState | undefined> {
    this.cache.invalidate([id]);
    return this.find(id);
  }

  /** @param manager of the transaction of the change: every process hears of it after the commit */
  async changed(id: string, manager: Pick<EntityManager, 'query'> = this.platform): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [ADMINS_CHANNEL, id]);
    if (manager === this.platform) this.forget(id);
  }

  /** Call it after the commit where the news must not be waited for: who has just signed in is known here. */
  forget(id: string): void {
    this.changes.emit(ADMINS_CHANNEL, [id]);
  }

  private async load(id: string): Promise<AdminState | undefined> {
    const [row] = await this.platform.query<AdminRow[]>(
      `SELECT a.id, a.name, a.email, a.role, a.status, a.token_version, a.must_change_password,
              a.mfa_enabled_at IS NOT NULL AS mfa_enabled,
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
      active: row.status === 'active' && (row.mfa_enabled || this.env.demo),
      tokenVersion: row.token_version,
      permissions: new Set<string>(PLATFORM_ROLES[row.role]),
      devices: new Set(row.devices),
      mustChangePassword: row.must_change_password,
    };
  }
}
