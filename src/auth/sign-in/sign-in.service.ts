import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan } from 'typeorm';
import { AuditService, TenantAudit } from '../../audit/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import { TenantSettings } from '../../settings/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  type Tenant,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { demandOpen } from '../access/suspension.js';
import { RefreshRefused, SignInRefused } from '../auth.errors.js';
import { MFA_ROLES } from '../auth.settings.js';
import { Device } from '../devices/device.entity.js';
import { DeviceTokens } from '../devices/device.tokens.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { MfaChallenges } from '../mfa/mfa-challenges.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { ACCESS_TOKEN_SECONDS } from '../tokens/token.claims.js';
import { emailKey } from '../users/email-key.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { SignInThrottle } from './sign-in.throttle.js';

/** Where a sign-in comes from. */
export interface Client {
  address: string | undefined;
  /** The user agent, as it calls itself. */
  agent: string;
  /** Whether the refresh token goes into a cookie of the browser. */
  inCookie: boolean;
}

/** What a signed-in client holds. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  /** Life of the access token in seconds. */
  expiresIn: number;
  deviceId: string;
  inCookie: boolean;
}

@Injectable()
export class SignInService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Device) private readonly devices: TenantRepository<Device>,
    private readonly deviceTokens: DeviceTokens,
    private readonly knownAddresses: KnownAddresses,
    private readonly accessTokens: AccessTokens,
    private readonly hasher: PasswordHasher,
    private readonly throttle: SignInThrottle,
    private readonly challenges: MfaChallenges,
    private readonly states: UserStates,
    private readonly settings: TenantSettings,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly credentials: CredentialCodec,
    private readonly audit: TenantAudit,
    private readonly security: AuditService,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * Signs a user of the current tenant in by password.
   *
   * @throws TenantSuspended for all but owners; SignInRefused, MfaRequired with a token for the second step, AppError 429 too_many_attempts, 503
   */
  async signIn(email: string, password: string, client: Client): Promise<TokenPair> {
    const tenant = this.context.currentOrThrow('A sign-in');
    const user = await this.users.findOneBy({ emailKey: emailKey(email) });
    const trusted = user !== null && (await this.knownAddresses.has(user.id, client.address));
    const attempt = this.throttle.check(tenant.id, emailKey(email), client.address, { trusted });
    let outcome: { ok: boolean; rehash: boolean };
    try {
      // A disabled user is checked like an unknown one, so that neither answer nor time tells them apart.
      outcome = await this.hasher.verify(
        user?.status === 'active' ? (user.passwordHash ?? undefined) : undefined,
        password,
      );
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (!user || !outcome.ok) {
      this.refused(tenant, user, client);
      throw new SignInRefused();
    }
    attempt.succeeded();
    demandOpen(tenant, user.role);
    if (outcome.rehash) {
      const passwordHash = await this.hasher.hash(password);
      await this.users.update({ id: user.id, passwordHash: user.passwordHash ?? IsNull() }, { passwordHash });
      user.passwordHash = passwordHash;
    }
    await this.challenges.demandSecondFactor(user, this.mustHaveSecondFactor(user));
    return this.open(user, client, 'password');
  }

  /**
   * Makes a signed-in device of a user whose identity is settled.
   *
   * @param by how, for the audit
   * @throws SignInRefused when the password was changed or the user disabled since `user` was read
   */
  async open(user: User, client: Client, by: string): Promise<TokenPair> {
    const tenant = this.context.currentOrThrow('A sign-in');
    demandOpen(tenant, user.role);
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    const device = await this.transaction.run(async () => {
      const known = user.lastSignInAt === null || (await this.knownAddresses.has(user.id, client.address));
      const opened = await this.deviceTokens.open({
        userId: user.id,
        name: client.agent,
        address: client.address,
        inCookie: client.inCookie,
      });
      // Waits for a change of the password that is under way; one that signs out everywhere would miss this device.
      const unchanged = { id: user.id, status: 'active' as const, passwordHash: user.passwordHash ?? IsNull() };
      if ((await this.users.update(unchanged, { lastSignInAt: new Date() })) !== 1) throw new SignInRefused();
      await this.states.changed(user.id);
      await this.audit.record({
        event: 'user.signed-in',
        target: { kind: 'user', id: user.id },
        details: { by, device: opened.deviceId, agent: client.agent.slice(0, 200) },
      });
      if (!known) await this.tellOfNewDevice(tenant, user, client);
      return opened;
    });
    return this.pair(tenant, user, device.deviceId, device.refreshToken, client.inCookie);
  }

  /**
   * @throws TenantSuspended for all but owners
   * @throws RefreshRefused; a token that was used before also revokes its family
   * @throws MfaRequired when the role has come to require a second factor and there is none; the token stays good
   */
  async refresh(token: string, client: Pick<Client, 'address'>): Promise<TokenPair> {
    const tenant = this.context.currentOrThrow('A refresh token');
    const owner = this.credentials.open('refresh', token)?.tenantId;
    if (owner !== undefined && owner !== tenant.id) {
      this.security.record({
        event: 'cross_tenant_access_attempt',
        tenantId: owner,
        address: client.address,
        details: { target: tenant.slug, route: '/api/auth/refresh', method: 'POST' },
      });
      throw new RefreshRefused();
    }
    await this.demandOwner(token, tenant);
    await this.demandEnrolment(token);
    const rotation = await this.deviceTokens.rotate(token, client.address);
    if (rotation.kind === 'unknown') throw new RefreshRefused();
    if (rotation.kind === 'reused') {
      await this.transaction.run(async () => {
        await this.states.changed(rotation.userId);
        await this.audit.record({
          event: 'refresh-token.reused',
          target: { kind: 'user', id: rotation.userId },
          details: { device: rotation.deviceId },
        });
      });
      throw new RefreshRefused();
    }
    const user = await this.users.findOneBy({ id: rotation.userId });
    if (user?.status !== 'active') throw new RefreshRefused();
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    // Here for the token before the newest, which is answered once more.
    if (!user.mfaEnabledAt) await this.challenges.demandSecondFactor(user, this.mustHaveSecondFactor(user));
    return this.pair(tenant, user, rotation.deviceId, rotation.refreshToken, rotation.inCookie);
  }

  /** Signs one device out. Never fails: a token that means nothing here is as good as signed out. */
  async signOut(token: string): Promise<void> {
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

  /** Signs a user out everywhere: every device is forgotten, and access tokens given out so far are void. */
  async signOutEverywhere(userId: string, exceptDevice?: string): Promise<void> {
    await this.transaction.run(async () => {
      if (exceptDevice === undefined) {
        // The user before the devices, as all do who lock both.
        await this.transaction.query('UPDATE users SET token_version = token_version + 1 WHERE id = $1', [userId]);
        await this.devices.delete({ userId });
      } else {
        await this.transaction.query('DELETE FROM devices WHERE user_id = $1 AND id <> $2', [userId, exceptDevice]);
      }
      await this.states.changed(userId);
      await this.audit.record({ event: 'user.signed-out-everywhere', target: { kind: 'user', id: userId } });
    });
  }

  /** Before the token is used up: who is refused now goes on with it when the tenant is back. */
  private async demandOwner(token: string, tenant: Tenant): Promise<void> {
    if (tenant.status !== 'suspended') return;
    const deviceId = this.credentials.open('refresh', token)?.subjectId;
    const device = deviceId === undefined ? null : await this.devices.findOneBy({ id: deviceId });
    demandOpen(tenant, device ? (await this.users.findOneBy({ id: device.userId }))?.role : undefined);
  }

  /** Before the token is used up, and only for the newest: a token from long ago must not enrol anybody. */
  private async demandEnrolment(token: string): Promise<void> {
    const deviceId = this.credentials.open('refresh', token)?.subjectId;
    if (deviceId === undefined || this.settings.get(MFA_ROLES).length === 0) return;
    const newest = { id: deviceId, tokenHash: this.credentials.hash(token), expiresAt: MoreThan(new Date()) };
    const device = await this.devices.findOneBy(newest);
    const user = device && (await this.users.findOneBy({ id: device.userId, status: 'active' }));
    if (user && !user.mfaEnabledAt) await this.challenges.demandSecondFactor(user, this.mustHaveSecondFactor(user));
  }

  private mustHaveSecondFactor(user: User): boolean {
    return this.settings.get(MFA_ROLES).includes(user.role);
  }

  private pair(tenant: Tenant, user: User, deviceId: string, refreshToken: string, inCookie: boolean): TokenPair {
    const accessToken = this.accessTokens.sign('tenant', {
      sub: user.id,
      tid: tenant.id,
      rv: user.tokenVersion,
      did: deviceId,
    });
    return { accessToken, refreshToken, expiresIn: ACCESS_TOKEN_SECONDS, deviceId, inCookie };
  }

  private refused(tenant: Tenant, user: User | null, client: Client): void {
    this.security.record({
      event: 'user.sign-in-refused',
      tenantId: tenant.id,
      address: client.address,
      ...(user && { target: { kind: 'user', id: user.id } }),
      details: {},
    });
  }

  private async tellOfNewDevice(tenant: Tenant, user: User, client: Client): Promise<void> {
    await this.mailer.send({
      template: 'new-device',
      to: { address: user.email, name: user.name },
      data: {
        when: new Date().toUTCString(),
        device: client.agent,
        ...(client.address && { address: client.address }),
      },
      links: { action: this.links.linkFor(tenant, '/account/devices') },
    });
  }
}
