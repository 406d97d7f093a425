import { Injectable } from '@nestjs/common';
import { AuditService, TenantAudit } from '../../audit/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import type { MailData } from '../../mail/index.js';
import { TenantContext, TenantRunner, TenantTransaction } from '../../tenancy/index.js';
import { PasswordProof } from '../account/password.proof.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { type Client, SignInService, type TokenPair } from '../sign-in/sign-in.service.js';
import { SharedSignInThrottle } from '../sign-in/shared-sign-in.throttle.js';
import type { User } from '../users/user.entity.js';
import { MfaChallenges, MfaRefused } from './mfa-challenges.js';
import { CodeRefused, MfaDemanded, MfaNotEnabled } from './mfa.errors.js';
import { SecondFactorDemand } from './second-factor.demand.js';
import { type FactorGiven, SecondFactors } from './second-factors.js';
import { totpUri } from './totp.js';

export interface Enrolment {
  /** Base32. */
  secret: string;
  otpauthUri: string;
}

/** What a person does with their second factor. */
@Injectable()
export class MfaService {
  constructor(
    private readonly factors: SecondFactors,
    private readonly challenges: MfaChallenges,
    private readonly proof: PasswordProof,
    private readonly throttle: SharedSignInThrottle,
    private readonly known: KnownAddresses,
    private readonly signIns: SignInService,
    private readonly demand: SecondFactorDemand,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly audit: TenantAudit,
    private readonly security: AuditService,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /** @throws PasswordRefused, MfaEnabledAlready, AppError 429 too_many_attempts, 503 */
  async enrolWithPassword(userId: string, password: string): Promise<Enrolment> {
    return this.begin(await this.proof.demand(userId, password));
  }

  /** @throws MfaRefused, MfaEnabledAlready: whoever has only the password cannot replace a second factor */
  async enrolWithChallenge(mfaToken: string): Promise<Enrolment> {
    const user = await this.challenges.userOf(mfaToken);
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    return this.begin(user);
  }

  /** @returns the recovery codes, never shown again @throws CodeRefused, AppError 429 too_many_attempts */
  async confirm(userId: string, code: string): Promise<string[]> {
    const user = await this.factors.ownerOf(userId);
    return this.throttled(user, new CodeRefused(), () =>
      this.transaction.run(async () => ((await this.factors.enable(user, code)) ? this.enabled(user) : undefined)),
    );
  }

  /**
   * Enables the second factor that a sign-in demanded, and completes that sign-in.
   *
   * @throws MfaRefused, AppError 429 too_many_attempts
   */
  async confirmWithChallenge(
    mfaToken: string,
    code: string,
    client: Client,
  ): Promise<{ pair: TokenPair; recoveryCodes: string[] }> {
    const { user, firstFactor, result } = await this.answerChallenge(
      mfaToken,
      (user) => this.factors.enable(user, code),
      (user) => this.enabled(user),
    );
    return {
      pair: await this.signIns.open(user, client, `${firstFactor} and new second factor`),
      recoveryCodes: result,
    };
  }

  /** The second step of a sign-in. @throws MfaRefused, AppError 429 too_many_attempts */
  async signIn(mfaToken: string, given: FactorGiven, client: Client): Promise<TokenPair> {
    const {
      user,
      firstFactor,
      result: second,
    } = await this.answerChallenge(
      mfaToken,
      (user) => this.factors.use(user, given),
      async (user) => {
        if (given.recoveryCode === undefined) return 'second factor';
        await this.audit.record({ event: 'mfa.recovery-code-used', target: { kind: 'user', id: user.id } });
        return 'recovery code';
      },
    );
    return this.signIns.open(user, client, `${firstFactor} and ${second}`);
  }

  /** @throws PasswordRefused, CodeRefused, MfaNotEnabled, MfaDemanded, AppError 429 too_many_attempts, 503 */
  async disable(userId: string, password: string, given: FactorGiven): Promise<void> {
    const user = await this.enrolled(userId, password);
    if (await this.demand.appliesTo(user.role)) throw new MfaDemanded(user.role);
    await this.withCode(user, given, async () => {
      await this.factors.remove(user);
      await this.challenges.voidAllOf(user.id);
      await this.changed(user, 'mfa.disabled', 'disabled');
      return true;
    });
  }

  /** @returns ten new codes; those before are void @throws as {@link disable}, MfaDemanded aside */
  async newRecoveryCodes(userId: string, password: string, given: FactorGiven): Promise<string[]> {
    const user = await this.enrolled(userId, password);
    return this.withCode(user, given, async () => {
      const codes = await this.factors.replaceRecoveryCodes(user);
      await this.changed(user, 'mfa.recovery-codes-replaced', 'new recovery codes');
      return codes;
    });
  }

  private async begin(user: User): Promise<Enrolment> {
    const tenant = this.context.currentOrThrow('A second factor');
    const secret = await this.transaction.run(async () => {
      const made = await this.factors.begin(user);
      await this.audit.record({ event: 'mfa.enrolment-begun', target: { kind: 'user', id: user.id } });
      return made;
    });
    return { secret, otpauthUri: totpUri(secret, tenant.name, user.email) };
  }

  private async enabled(user: User): Promise<string[]> {
    const codes = await this.factors.replaceRecoveryCodes(user);
    await this.changed(user, 'mfa.enabled', 'enabled');
    return codes;
  }

  /** The attempt is counted for good before the code is looked at; code and challenge are used up together. */
  private async answerChallenge<T>(
    mfaToken: string,
    prove: (user: User) => Promise<boolean>,
    act: (user: User) => Promise<T>,
  ): Promise<{ user: User; firstFactor: string; result: T }> {
    const candidate = await this.challenges.userOf(mfaToken);
    return this.throttled(candidate, new MfaRefused(), async () => {
      const { user, firstFactor } = await this.challenges.attempt(mfaToken);
      return this.transaction.run(async () => {
        if (!(await prove(user))) return undefined;
        await this.challenges.complete(mfaToken);
        this.runner.identify({ kind: 'user', id: user.id, name: user.name });
        return { user, firstFactor, result: await act(user) };
      });
    });
  }

  private async enrolled(userId: string, password: string): Promise<User> {
    const user = await this.proof.demand(userId, password);
    if (!user.mfaEnabledAt) throw new MfaNotEnabled();
    return user;
  }

  private withCode<T>(user: User, given: FactorGiven, act: () => Promise<T>): Promise<T> {
    return this.throttled(user, new CodeRefused(), () =>
      this.transaction.run(async () => ((await this.factors.use(user, given)) ? act() : undefined)),
    );
  }

  /** @param look undefined when the code was wrong; when it throws, the code is taken for not looked at */
  private async throttled<T>(user: User, refusal: Error, look: () => Promise<T | undefined>): Promise<T> {
    const tenant = this.context.currentOrThrow('A second factor');
    const address = this.context.address();
    // A password set by mail proves a mailbox and no second factor: it does not count here.
    const { signedIn: trusted } = await this.known.of(user.id, address);
    const attempt = await this.throttle.check(tenant.id, `mfa:${user.id}`, address, { trusted });
    let result: T | undefined;
    try {
      result = await look();
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (result !== undefined) {
      attempt.succeeded();
      return result;
    }
    this.security.record({
      event: 'mfa.refused',
      tenantId: tenant.id,
      address,
      target: { kind: 'user', id: user.id },
      details: {},
    });
    throw refusal;
  }

  private async changed(user: User, event: string, change: MailData['mfa-changed']['change']): Promise<void> {
    const tenant = this.context.currentOrThrow('A second factor');
    await this.audit.record({ event, target: { kind: 'user', id: user.id } });
    await this.mailer.send({
      template: 'mfa-changed',
      to: { address: user.email, name: user.name },
      data: { change, when: new Date().toUTCString() },
      links: { action: this.links.linkFor(tenant, '/account') },
    });
  }
}
