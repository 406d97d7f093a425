import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { AuditService, TenantAudit } from '../../audit/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { demandOpen } from '../access/suspension.js';
import { SignInRefused } from '../auth.errors.js';
import { DeviceTokens } from '../devices/device.tokens.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { MfaChallenges } from '../mfa/mfa-challenges.js';
import { SecondFactorDemand } from '../mfa/second-factor.demand.js';
import { emailKey } from '../users/email-key.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { NewDeviceNotice } from './new-device.notice.js';
import { PasswordCheck } from './password.check.js';
import { type Client, type TokenPair, TokenPairs } from './token.pairs.js';

export type { Client, TokenPair } from './token.pairs.js';

/** How a user of a tenant comes by a signed-in device. */
@Injectable()
export class SignInService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly passwords: PasswordCheck,
    private readonly demand: SecondFactorDemand,
    private readonly challenges: MfaChallenges,
    private readonly devices: DeviceTokens,
    private readonly known: KnownAddresses,
    private readonly notice: NewDeviceNotice,
    private readonly pairs: TokenPairs,
    private readonly states: UserStates,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly audit: TenantAudit,
    private readonly security: AuditService,
  ) {}

  /**
   * Signs a user of the current tenant in by password.
   *
   * @throws TenantSuspended for all but owners; SignInRefused, MfaRequired with a token for the second step, TooManyAttempts, SignInBusy, ClientLeft
   */
  async signIn(email: string, password: string, client: Client): Promise<TokenPair> {
    const user = await this.users.findOneBy({ emailKey: emailKey(email) });
    const right = await this.passwords.isRight(emailKey(email), user, password, client.left);
    if (!user || !right) {
      this.refused(user, client);
      throw new SignInRefused();
    }
    demandOpen(this.context.currentOrThrow('A sign-in'), user.role);
    await this.challenges.demandSecondFactor(user, await this.demand.appliesTo(user.role));
    return this.open(user, client, 'password');
  }

  /**
   * Makes a signed-in device of a user whose identity is settled.
   *
   * @param by how, for the audit
   * @throws SignInRefused when the user was disabled or signed out everywhere, or the password changed, since `user`
   *   was read
   */
  async open(user: User, client: Client, by: string): Promise<TokenPair> {
    demandOpen(this.context.currentOrThrow('A sign-in'), user.role);
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    return this.transaction.run(async () => {
      const known = user.lastSignInAt === null || (await this.known.of(user.id, client.address)).signedIn;
      // Locks the row: a sign-out everywhere or a change of the password under way comes wholly before, and is seen
      // here, or wholly after, and takes this device along.
      const unchanged = {
        id: user.id,
        status: 'active' as const,
        passwordHash: user.passwordHash ?? IsNull(),
        tokenVersion: user.tokenVersion,
      };
      if ((await this.users.update(unchanged, { lastSignInAt: new Date() })) !== 1) throw new SignInRefused();
      const { address, agent, inCookie } = client;
      const opened = await this.devices.open({ userId: user.id, name: agent, address, inCookie });
      await this.known.remember(user.id, address, 'signed-in');
      await this.states.changed(user.id);
      await this.audit.record({
        event: 'user.signed-in',
        target: { kind: 'user', id: user.id },
        details: { by, device: opened.deviceId, agent: agent.slice(0, 200) },
      });
      if (!known) await this.notice.send(user, client);
      return this.pairs.of(user, { ...opened, inCookie });
    });
  }

  private refused(user: User | null, client: Client): void {
    this.security.record({
      event: 'user.sign-in-refused',
      tenantId: this.context.currentOrThrow('A sign-in').id,
      address: client.address,
      ...(user && { target: { kind: 'user', id: user.id } }),
      details: {},
    });
  }
}
