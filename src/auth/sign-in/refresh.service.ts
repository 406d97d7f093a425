import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { demandOpen } from '../access/suspension.js';
import { RefreshRefused, SignInAgain } from '../auth.errors.js';
import { DeviceTokens } from '../devices/device.tokens.js';
import { SecondFactorDemand } from '../mfa/second-factor.demand.js';
import { PresentedCredentials } from '../tokens/presented.credentials.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { type TokenPair, TokenPairs } from './token.pairs.js';

/** Trades refresh tokens of a tenant's users for new pairs. */
@Injectable()
export class RefreshService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly presented: PresentedCredentials,
    private readonly devices: DeviceTokens,
    private readonly demand: SecondFactorDemand,
    private readonly pairs: TokenPairs,
    private readonly states: UserStates,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly audit: TenantAudit,
  ) {}

  /**
   * @throws TenantSuspended for all but owners, whose tokens stay good
   * @throws RefreshRefused; a token that was used before also revokes its family
   * @throws SignInAgain when the role has come to require a second factor and there is none; the token stays good
   */
  async refresh(token: string, address: string | undefined): Promise<TokenPair> {
    const deviceId = this.presented.subjectOf('refresh', token, '/api/auth/refresh');
    if (deviceId === undefined) throw new RefreshRefused();
    const pair = await this.transaction.run(() => this.rotate(token, address));
    // Only now: what was revoked has to stay revoked.
    if (!pair) throw new RefreshRefused();
    return pair;
  }

  /** In one unit of work, so that what is thrown leaves the token unused, and reuse is never revoked without a record. */
  private async rotate(token: string, address: string | undefined): Promise<TokenPair | undefined> {
    const tenant = this.context.currentOrThrow('A refresh');
    const rotation = await this.devices.rotate(token, address);
    if (rotation.kind === 'unknown') {
      demandOpen(tenant, undefined);
      return undefined;
    }
    if (rotation.kind === 'reused') {
      await this.states.changed(rotation.userId);
      await this.audit.record({
        event: 'refresh-token.reused',
        target: { kind: 'user', id: rotation.userId },
        details: { device: rotation.deviceId },
      });
      return undefined;
    }
    const user = await this.users.findOneBy({ id: rotation.userId });
    if (user?.status !== 'active') throw new RefreshRefused();
    demandOpen(tenant, user.role);
    // No challenge: a stolen refresh token must not put the thief's app in the place of the owner's.
    if (!user.mfaEnabledAt && (await this.demand.appliesTo(user.role))) throw new SignInAgain();
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    return this.pairs.of(user, rotation);
  }
}
