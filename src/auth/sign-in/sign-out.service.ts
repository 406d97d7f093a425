import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../../tenancy/index.js';
import { RefreshRefused } from '../auth.errors.js';
import { Device } from '../devices/device.entity.js';
import { DeviceTokens } from '../devices/device.tokens.js';
import { MfaChallenges } from '../mfa/mfa-challenges.js';
import { PresentedCredentials } from '../tokens/presented.credentials.js';
import { UserStates } from '../users/user-states.js';

/** How signed-in devices of a tenant's users end. */
@Injectable()
export class SignOutService {
  constructor(
    @InjectTenantRepository(Device) private readonly devices: TenantRepository<Device>,
    private readonly deviceTokens: DeviceTokens,
    private readonly presented: PresentedCredentials,
    private readonly challenges: MfaChallenges,
    private readonly states: UserStates,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  /**
   * Signs one device out. A token that is spent or expired is as good as signed out.
   *
   * @throws RefreshRefused when it is no refresh token of this tenant; nothing is revoked
   */
  async signOut(token: string): Promise<void> {
    if (this.presented.subjectOf('refresh', token, '/api/auth/logout') === undefined) throw new RefreshRefused();
    await this.transaction.run(async () => {
      const gone = await this.deviceTokens.revoke(token);
      if (!gone) return;
      await this.states.changed(gone.userId);
      await this.audit.record({
        event: 'user.signed-out',
        target: { kind: 'user', id: gone.userId },
        details: { device: gone.deviceId },
      });
    });
  }

  /**
   * Signs a user out everywhere: every device is forgotten, access tokens given out so far are void, and so are
   * sign-ins that wait for their second factor.
   */
  async signOutEverywhere(userId: string, exceptDevice?: string): Promise<void> {
    await this.transaction.run(async () => {
      if (exceptDevice === undefined) {
        // The user before the devices, as all do who lock both.
        await this.transaction.query('UPDATE users SET token_version = token_version + 1 WHERE id = $1', [userId]);
        await this.devices.delete({ userId });
      } else {
        await this.transaction.query('DELETE FROM devices WHERE user_id = $1 AND id <> $2', [userId, exceptDevice]);
      }
      await this.challenges.voidAllOf(userId);
      await this.states.changed(userId);
      await this.audit.record({ event: 'user.signed-out-everywhere', target: { kind: 'user', id: userId } });
    });
  }
}
