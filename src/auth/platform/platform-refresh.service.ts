import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { InjectPlatformDataSource, TenantRunner } from '../../tenancy/index.js';
import { PlatformDeviceTokens } from '../devices/device.tokens.js';
import type { TokenPair } from '../sign-in/sign-in.service.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { ACCESS_TOKEN_SECONDS } from '../tokens/token.claims.js';
import { AdminStates } from './admin-states.js';
import { PlatformAdminStore } from './platform-admin.store.js';
import { PlatformRefreshRefused, PlatformSignInAgain } from './platform.errors.js';

/** How the signed-in devices of platform admins go on, and how they end. */
@Injectable()
export class PlatformRefreshService {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly admins: PlatformAdminStore,
    private readonly states: AdminStates,
    private readonly devices: PlatformDeviceTokens,
    private readonly accessTokens: AccessTokens,
    private readonly runner: TenantRunner,
    private readonly audit: PlatformAudit,
  ) {}

  /**
   * @throws PlatformRefreshRefused; a token that was used before also revokes its family
   * @throws PlatformSignInAgain outside demo mode for an admin without a second factor, signed in before it was left
   */
  async refresh(token: string, address: string | undefined): Promise<TokenPair> {
    const pair = await this.platform.transaction((manager) => this.rotate(manager, token, address));
    // Only now: what was revoked has to stay revoked.
    if (!pair) throw new PlatformRefreshRefused();
    return pair;
  }

  /** Signs one device out. Never fails: a token that means nothing here is as good as signed out. */
  async signOut(token: string): Promise<void> {
    await this.platform.transaction(async (manager) => {
      const gone = await this.devices.within(manager).revoke(token);
      if (!gone) return;
      await this.states.changed(gone.userId, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.signed-out',
        target: { kind: 'platform-admin', id: gone.userId },
        details: { device: gone.deviceId },
      });
    });
  }

  /** Forgets every device, and makes void the access tokens given out so far and the sign-ins that are half done. */
  async signOutEverywhere(adminId: string): Promise<void> {
    await this.platform.transaction(async (manager) => {
      await manager.query('UPDATE platform_admins SET token_version = token_version + 1 WHERE id = $1', [adminId]);
      await manager.query('DELETE FROM platform_devices WHERE user_id = $1', [adminId]);
      await manager.query('DELETE FROM platform_mfa_challenges WHERE admin_id = $1', [adminId]);
      await this.states.changed(adminId, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.signed-out-everywhere',
        target: { kind: 'platform-admin', id: adminId },
      });
    });
  }

  /** In one transaction, so that what is thrown leaves the token unused, and reuse is never revoked without a record. */
  private async rotate(
    manager: EntityManager,
    token: string,
    address: string | undefined,
  ): Promise<TokenPair | undefined> {
    const rotation = await this.devices.within(manager).rotate(token, address);
    if (rotation.kind === 'unknown') return undefined;
    const { userId: id, deviceId } = rotation;
    if (rotation.kind === 'reused') {
      await this.states.changed(id, manager);
      await this.audit.record(manager, {
        event: 'platform-refresh-token.reused',
        target: { kind: 'platform-admin', id },
        details: { device: deviceId },
      });
      return undefined;
    }
    const admin = await this.admins.byId(id, manager);
    if (admin?.status !== 'active') throw new PlatformRefreshRefused();
    if (!this.env.demo && admin.mfa_enabled_at === null) throw new PlatformSignInAgain();
    this.runner.identify({ kind: 'platform-admin', id, name: admin.name });
    const accessToken = this.accessTokens.sign('platform', { sub: id, rv: admin.token_version, did: deviceId });
    const { refreshToken } = rotation;
    return { accessToken, refreshToken, expiresIn: ACCESS_TOKEN_SECONDS, deviceId, inCookie: false };
  }
}
