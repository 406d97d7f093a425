import { Injectable } from '@nestjs/common';
import { LessThan, MoreThan } from 'typeorm';
import { AppError, newId } from '../../common/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { demandOpen } from '../access/suspension.js';
import { PresentedCredentials } from '../tokens/presented.credentials.js';
import { UserToken } from '../users/user-token.entity.js';
import { User } from '../users/user.entity.js';

/** How long the second step of a sign-in may take, in seconds. */
const CHALLENGE_SECONDS = 5 * 60;
/** Wrong codes before the sign-in has to start over. */
const MAX_ATTEMPTS = 5;

/** The first factor was right; now the second. */
export class MfaRequired extends AppError {
  /** @param enrol whether the user has none yet and must set one up first */
  constructor(mfaToken: string, enrol: boolean) {
    super({
      status: 401,
      code: enrol ? 'mfa_enrolment_required' : 'mfa_required',
      detail: enrol ? 'This role needs a second factor and there is none yet.' : 'A second factor is needed.',
      remedy: enrol
        ? 'Send mfa_token to POST /api/auth/mfa/enrol, then a code to POST /api/auth/mfa/confirm.'
        : 'Send mfa_token and a code (or a recovery code) to POST /api/auth/login/mfa.',
      headers: { 'WWW-Authenticate': 'Bearer' },
      extensions: { mfa_token: mfaToken, expires_in: CHALLENGE_SECONDS },
    });
  }
}

export class MfaRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'mfa_refused',
      detail: 'The code is not right, was used before, or the sign-in took too long.',
      remedy: 'Try the newest code of your app; after five wrong ones, sign in again.',
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  }
}

/** The short time between a first factor and the second. */
@Injectable()
export class MfaChallenges {
  constructor(
    @InjectTenantRepository(UserToken) private readonly tokens: TenantRepository<UserToken>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly credentials: CredentialCodec,
    private readonly presented: PresentedCredentials,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
  ) {}

  /**
   * Passes for a user who has no second factor and needs none.
   *
   * @param firstFactor what has been shown already, for the audit
   * @throws MfaRequired with the token for the second step
   */
  async demandSecondFactor(user: User, demanded: boolean, firstFactor = 'password'): Promise<void> {
    const enrolled = user.mfaEnabledAt !== null;
    if (!enrolled && !demanded) return;
    const id = newId();
    const token = this.credentials.mint('mfa', this.context.currentOrThrow('A sign-in').id, id);
    await this.tokens.insert({
      id,
      userId: user.id,
      purpose: 'mfa',
      tokenHash: this.credentials.hash(token),
      email: null,
      tokenVersion: user.tokenVersion,
      firstFactor,
      attempts: 0,
      createdAt: new Date(),
      expiresAt: new Date(Date.now() + CHALLENGE_SECONDS * 1000),
    });
    throw new MfaRequired(token, !enrolled);
  }

  /**
   * The user behind a challenge, without counting an attempt: for the throttle, and for an enrolment to begin.
   *
   * @throws MfaRefused
   */
  async userOf(token: string): Promise<User> {
    const inForce = {
      id: this.idOf(token),
      purpose: 'mfa' as const,
      tokenHash: this.credentials.hash(token),
      expiresAt: MoreThan(new Date()),
      attempts: LessThan(MAX_ATTEMPTS),
    };
    const challenge = await this.tokens.findOneBy(inForce);
    if (!challenge) throw new MfaRefused();
    return this.owner(challenge.userId, challenge.tokenVersion);
  }

  /**
   * The user behind a challenge, and what they have shown already. Every call counts as an attempt, before the code is
   * looked at, so that guesses sent in parallel are all counted.
   *
   * @throws MfaRefused
   */
  async attempt(token: string): Promise<{ user: User; firstFactor: string }> {
    const id = this.idOf(token);
    const [challenge] = await this.transaction.query<{
      user_id: string;
      token_version: number | null;
      first_factor: string | null;
    }>(
      `UPDATE user_tokens SET attempts = attempts + 1
        WHERE tenant_id = $1 AND id = $2 AND token_hash = $3 AND purpose = 'mfa' AND expires_at > now() AND attempts < $4
       RETURNING user_id, token_version, first_factor`,
      [this.context.currentOrThrow('A sign-in').id, id, this.credentials.hash(token), MAX_ATTEMPTS],
    );
    if (!challenge) throw new MfaRefused();
    const user = await this.owner(challenge.user_id, challenge.token_version);
    return { user, firstFactor: challenge.first_factor ?? 'password' };
  }

  /** Uses a challenge up. @throws MfaRefused when somebody else did at the same time */
  async complete(token: string): Promise<void> {
    const used = { id: this.idOf(token), tokenHash: this.credentials.hash(token) };
    if ((await this.tokens.delete(used)) !== 1) throw new MfaRefused();
  }

  /** Makes every sign-in of the user that waits for the second factor start over. Call it in a unit of work. */
  async voidAllOf(userId: string): Promise<void> {
    await this.tokens.delete({ userId, purpose: 'mfa' });
  }

  private idOf(token: string): string {
    const id = this.presented.subjectOf('mfa', token, '/api/auth/login/mfa');
    if (id === undefined) throw new MfaRefused();
    return id;
  }

  /** One that was issued while a sign-out everywhere happened is not among those it deleted: the version tells. */
  private async owner(userId: string, tokenVersion: number | null): Promise<User> {
    const user = await this.users.findOneBy({ id: userId, status: 'active' });
    if (!user || user.tokenVersion !== tokenVersion) throw new MfaRefused();
    demandOpen(this.context.currentOrThrow('A sign-in'), user.role);
    return user;
  }
}
