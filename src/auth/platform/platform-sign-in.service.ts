import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AuditService, PlatformAudit } from '../../audit/index.js';
import { ValidationFailed } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { InjectPlatformDataSource, TenantRunner } from '../../tenancy/index.js';
import type { PlatformPrincipal } from '../access/principal.js';
import { PlatformDeviceTokens } from '../devices/device.tokens.js';
import { PlatformKnownAddresses } from '../devices/known.addresses.js';
import { MfaRefused } from '../mfa/mfa-challenges.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { checkPassword } from '../passwords/password.policy.js';
import type { Client, TokenPair } from '../sign-in/sign-in.service.js';
import { SharedSignInThrottle } from '../sign-in/shared-sign-in.throttle.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { ACCESS_TOKEN_SECONDS } from '../tokens/token.claims.js';
import { emailKey } from '../users/email-key.js';
import { AdminStates } from './admin-states.js';
import { type PlatformAdmin, PlatformAdminStore } from './platform-admin.store.js';
import { PlatformMfaChallenges } from './platform-mfa.challenges.js';
import { PlatformMfaService, type SecondFactor } from './platform-mfa.service.js';
import { PlatformSignInRefused } from './platform.errors.js';

/** The throttle's name for the people of the control plane. */
const REALM = 'platform';
/** What a password must not be made of, besides its owner's name and address. */
const ORGANISATION = 'Tenantry platform';

@Injectable()
export class PlatformSignInService {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(ENV) private readonly env: Env,
    private readonly admins: PlatformAdminStore,
    private readonly states: AdminStates,
    private readonly devices: PlatformDeviceTokens,
    private readonly known: PlatformKnownAddresses,
    private readonly accessTokens: AccessTokens,
    private readonly hasher: PasswordHasher,
    private readonly throttle: SharedSignInThrottle,
    private readonly challenges: PlatformMfaChallenges,
    private readonly mfa: PlatformMfaService,
    private readonly runner: TenantRunner,
    private readonly audit: PlatformAudit,
    private readonly security: AuditService,
  ) {}

  /**
   * Signs a platform admin in by password. Outside demo mode it always takes the second step.
   *
   * @throws PlatformSignInRefused, PlatformMfaRequired with a token for the second step, TooManyAttempts, SignInBusy
   */
  async signIn(email: string, password: string, client: Client): Promise<TokenPair> {
    const found = await this.admins.byEmail(emailKey(email));
    const admin = await this.verify(found, emailKey(email), password, client.address, client.left);
    if (admin.mfa_enabled_at !== null || !this.env.demo) throw await this.challenges.open(admin);
    return this.open(admin, client, 'password');
  }

  /** The second step. @throws MfaRefused, TooManyAttempts */
  async signInWithSecondFactor(token: string, given: SecondFactor, client: Client): Promise<TokenPair> {
    const admin = await this.challenges.attempt(token);
    // Without a factor there is nothing to check; such a challenge is for enrolment only.
    if (admin.mfa_enabled_at === null) throw new MfaRefused();
    await this.mfa.check(admin, given, client.address);
    await this.challenges.complete(token);
    return this.open(admin, client, given.recoveryCode === undefined ? 'code' : 'recovery-code');
  }

  /** The second step for an admin who had no second factor. @throws MfaRefused */
  async signInByEnrolment(
    token: string,
    code: string,
    client: Client,
  ): Promise<{ pair: TokenPair; recoveryCodes: string[] }> {
    const admin = await this.enrolling(token);
    this.runner.identify({ kind: 'platform-admin', id: admin.id, name: admin.name });
    const recoveryCodes = await this.mfa.confirm(admin, code);
    await this.challenges.complete(token);
    return { pair: await this.open(admin, client, 'enrolment'), recoveryCodes };
  }

  /** Whoever has a factor already proves it instead: a password alone must not replace it. @throws MfaRefused */
  async enrolling(token: string): Promise<PlatformAdmin> {
    const admin = await this.challenges.attempt(token);
    if (admin.mfa_enabled_at !== null) throw new MfaRefused();
    return admin;
  }

  /** Signs every other device out. @throws PlatformSignInRefused, ValidationFailed, TooManyAttempts */
  async changePassword(
    { id, deviceId }: Pick<PlatformPrincipal, 'id' | 'deviceId'>,
    present: string,
    next: string,
    address: string | undefined,
  ): Promise<void> {
    const admin = await this.provePassword(id, present, address);
    const pointer = '/new_password';
    const problems = checkPassword(next, { email: admin.email, name: admin.name, tenantName: ORGANISATION }, pointer);
    if (next === present) problems.push({ pointer, detail: 'must be another than the present one' });
    if (problems.length > 0) throw new ValidationFailed(problems);
    const hash = await this.hasher.hash(next);
    await this.platform.transaction(async (manager) => {
      await manager.query(
        `UPDATE platform_admins SET password_hash = $2, must_change_password = false, updated_at = now() WHERE id = $1`,
        [id, hash],
      );
      await manager.query('DELETE FROM platform_devices WHERE user_id = $1 AND id <> $2', [id, deviceId]);
      await manager.query('DELETE FROM platform_mfa_challenges WHERE admin_id = $1', [id]);
      await this.states.changed(id, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.password-changed',
        target: { kind: 'platform-admin', id },
      });
    });
  }

  /** A signed-in admin shows that it is still them. @throws PlatformSignInRefused, TooManyAttempts */
  async provePassword(id: string, password: string, address: string | undefined): Promise<PlatformAdmin> {
    const admin = await this.admins.byId(id);
    return this.verify(admin, emailKey(admin?.email ?? ''), password, address);
  }

  private async verify(
    admin: PlatformAdmin | undefined,
    account: string,
    password: string,
    address: string | undefined,
    left?: AbortSignal,
  ): Promise<PlatformAdmin> {
    const { signedIn: trusted } = await this.known.of(admin?.id, address);
    const attempt = await this.throttle.check(REALM, account, address, { trusted });
    const active = admin?.status === 'active';
    // A disabled admin is checked like an unknown one, so that neither answer nor time tells them apart.
    const stored = active ? (admin.password_hash ?? undefined) : undefined;
    const { ok, rehash } = await this.hasher.verify(stored, password, left).catch((error: unknown) => {
      attempt.abandoned();
      throw error;
    });
    if (!admin || !ok) {
      const target = admin && { kind: 'platform-admin', id: admin.id };
      this.security.record({
        event: 'platform-admin.sign-in-refused',
        address,
        ...(target && { target }),
        details: {},
      });
      throw new PlatformSignInRefused();
    }
    attempt.succeeded();
    if (!rehash) return admin;
    const password_hash = await this.hasher.hash(password);
    await this.platform.query('UPDATE platform_admins SET password_hash = $2 WHERE id = $1 AND password_hash = $3', [
      admin.id,
      password_hash,
      stored,
    ]);
    return { ...admin, password_hash };
  }

  private async open(admin: PlatformAdmin, client: Client, by: string): Promise<TokenPair> {
    this.runner.identify({ kind: 'platform-admin', id: admin.id, name: admin.name });
    const pair = await this.platform.transaction(async (manager) => {
      // Locks the row: whoever disables the admin, signs them out everywhere or changes the password meanwhile also finds
      // this device, or we find that.
      const [rows] = await manager.query<[{ token_version: number }[], number]>(
        `UPDATE platform_admins SET last_sign_in_at = now()
          WHERE id = $1 AND status = 'active' AND password_hash = $2 AND token_version = $3 RETURNING token_version`,
        [admin.id, admin.password_hash, admin.token_version],
      );
      if (!rows[0]) throw new PlatformSignInRefused();
      const { deviceId, refreshToken } = await this.devices.within(manager).open({
        userId: admin.id,
        name: client.agent,
        address: client.address,
        inCookie: false,
      });
      await this.known.within(manager).remember(admin.id, client.address, 'signed-in');
      await this.states.changed(admin.id, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.signed-in',
        target: { kind: 'platform-admin', id: admin.id },
        details: { by, device: deviceId, agent: client.agent },
      });
      const { token_version: rv } = rows[0];
      const accessToken = this.accessTokens.sign('platform', { sub: admin.id, rv, did: deviceId });
      return { accessToken, refreshToken, expiresIn: ACCESS_TOKEN_SECONDS, deviceId, inCookie: false };
    });
    this.states.forget(admin.id);
    return pair;
  }
}
