import { Injectable } from '@nestjs/common';
import { TenantFeed } from '../../changes/index.js';
import { type LiveCache, TenantContext, TenantTransaction } from '../../tenancy/index.js';
import { isBuiltInRole, permissionNamed, permissionsOfBuiltIn } from '../access/permissions.js';

/** Changes to people and programs: `<tenant id>:<user or key id>`, or `<tenant id>:*`. */
export const AUTH_CHANNEL = 'tenantry_auth';
const CACHE_SIZE = 100_000;

/** What every request of a signed-in user is checked against. */
export interface UserState {
  id: string;
  name: string;
  email: string;
  role: string;
  active: boolean;
  tokenVersion: number;
  permissions: ReadonlySet<string>;
  devices: ReadonlySet<string>;
}

interface StateRow {
  id: string;
  name: string;
  email: string;
  role: string;
  status: string;
  token_version: number;
  composed: string[] | null;
  devices: string[];
}

/** The present state of users, cached per process and dropped the moment any process changes it. */
@Injectable()
export class UserStates {
  private readonly cache: LiveCache<UserState>;

  constructor(
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly changes: TenantFeed,
  ) {
    this.cache = changes.cache(AUTH_CHANNEL, (key) => this.load(key), CACHE_SIZE);
  }

  /** @returns the state of a user of the current tenant, or undefined when there is none */
  find(userId: string): UserState | undefined | Promise<UserState | undefined> {
    return this.cache.find(this.keyOf(userId));
  }

  /** The same past what this process knows: of a sign-in just now it may not have heard. */
  findAnew(userId: string): UserState | undefined | Promise<UserState | undefined> {
    const key = this.keyOf(userId);
    this.cache.invalidate([key]);
    return this.cache.find(key);
  }

  /**
   * Makes every process forget what it knew of these users (or API keys); `*` means all of the tenant. In a transaction
   * they hear of it at the commit, this process before the caller goes on: who has just signed in is known here.
   */
  async changed(...ids: string[]): Promise<void> {
    await this.changes.announce(
      AUTH_CHANNEL,
      ids.map((id) => this.keyOf(id)),
    );
  }

  private keyOf(id: string): string {
    return `${this.context.currentOrThrow('A user').id}:${id}`;
  }

  private async load(key: string): Promise<UserState | undefined> {
    const [tenantId, userId] = key.split(':');
    const [row] = await this.transaction.query<StateRow>(
      `SELECT u.id, u.name, u.email, u.role, u.status, u.token_version, r.permissions AS composed,
              ARRAY(SELECT d.id::text FROM devices d
                     WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id AND d.expires_at > now()) AS devices
         FROM users u LEFT JOIN roles r ON r.tenant_id = u.tenant_id AND r.name = u.role
        WHERE u.tenant_id = $1 AND u.id = $2`,
      [tenantId, userId],
    );
    if (!row) return undefined;
    return {
      id: row.id,
      name: row.name,
      email: row.email,
      role: row.role,
      active: row.status === 'active',
      tokenVersion: row.token_version,
      permissions: new Set(permissionsOfRole(row.role, row.composed)),
      devices: new Set(row.devices),
    };
  }
}

/** @param composed what a role of the tenant's own holds; everybody manages their own account whatever it says */
export function permissionsOfRole(role: string, composed: string[] | null): string[] {
  if (isBuiltInRole(role)) return permissionsOfBuiltIn(role);
  return ['account:manage', ...(composed ?? []).filter((name) => permissionNamed(name))];
}
