import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { AuditService } from '../../audit/index.js';
import { AppError, newId, sha256 } from '../../common/index.js';
import { MailLinks } from '../../mail/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { demandOpen } from '../access/suspension.js';
import { MfaChallenges } from '../mfa/mfa-challenges.js';
import { SecondFactorDemand } from '../mfa/second-factor.demand.js';
import { type Client, SignInService, type TokenPair } from '../sign-in/sign-in.service.js';
import { PresentedCredentials } from '../tokens/presented.credentials.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { User } from '../users/user.entity.js';
import { type SsoState, STATE_SECONDS } from './sso-state.cookie.js';
import { SsoSignIn } from './sso-sign-in.entity.js';
import { SsoCodeRefused, SsoRefused, SsoStateRefused } from './sso.errors.js';
import { SsoMembers } from './sso.members.js';
import { SsoProvider } from './sso.provider.js';

/** Life of a code for tokens in ms. */
const CODE_MS = 60_000;
/** Where the tenant's front end is sent to, beneath its address. */
const PAGE = '/sso';

/**
 * Sign-in at the tenant's own provider: authorization code flow with PKCE (RFC 9700, OpenID Connect Core 1.0). Tokens go
 * into no address: the browser comes back to the front end with a code, which the page that began trades for them.
 */
@Injectable()
export class SsoService {
  constructor(
    @InjectTenantRepository(SsoSignIn) private readonly signIns: TenantRepository<SsoSignIn>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly provider: SsoProvider,
    private readonly members: SsoMembers,
    private readonly devices: SignInService,
    private readonly challenges: MfaChallenges,
    private readonly demand: SecondFactorDemand,
    private readonly credentials: CredentialCodec,
    private readonly presented: PresentedCredentials,
    private readonly links: MailLinks,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly security: AuditService,
  ) {}

  /** Where the provider sends browsers back to; to be registered there. */
  get redirectUri(): string {
    return this.links.addressOf(this.tenant(), '/api/auth/sso/callback').href;
  }

  get startUrl(): string {
    return this.links.addressOf(this.tenant(), '/api/auth/sso/start').href;
  }

  /**
   * @param codeChallenge of the page that is to get the tokens
   * @returns where to send the browser, and what it has to keep meanwhile
   * @throws SsoNotConfigured, ResourceUnavailable
   */
  async begin(codeChallenge: string): Promise<{ url: string; state: SsoState }> {
    const [state, nonce, codeVerifier] = [random(), random(), random()];
    const { url, issuer } = await this.provider.address({ state, nonce, codeVerifier }, this.redirectUri);
    const expiresAt = Date.now() + STATE_SECONDS * 1000;
    const { id: tenantId } = this.tenant();
    return { url, state: { id: newId(), tenantId, issuer, state, nonce, codeVerifier, codeChallenge, expiresAt } };
  }

  /**
   * Takes the answer of the provider, once for each state.
   *
   * @param query as the browser brought it, with its question mark
   * @returns where to send the browser, with a code in the fragment
   * @throws SsoStateRefused, SsoRefused, TenantSuspended, SsoNotConfigured, ResourceUnavailable
   */
  async complete(state: SsoState, query: string): Promise<string> {
    await this.useUp(state);
    const identity = await this.provider.identify(new URL(query, this.redirectUri), state);
    const user = await this.members.find(identity);
    demandOpen(this.tenant(), user.role);
    const code = this.credentials.mint('sso', this.tenant().id, state.id);
    await this.signIns.update(
      { id: state.id },
      {
        userId: user.id,
        tokenHash: this.credentials.hash(code),
        tokenVersion: user.tokenVersion,
        redeemableUntil: new Date(Date.now() + CODE_MS),
      },
    );
    return this.links.linkFor(this.tenant(), PAGE, { code });
  }

  /** Where to send a browser whose sign-in came to nothing; audits it. */
  refusal(error: AppError, client: Client): string {
    this.security.record({
      event: 'user.sign-in-refused',
      tenantId: this.tenant().id,
      address: client.address,
      details: { by: 'sso', reason: error instanceof SsoRefused ? error.reason : error.code },
    });
    return this.links.linkFor(this.tenant(), PAGE, { error: error.code });
  }

  /**
   * Trades a code for a signed-in device. Any try uses it up.
   *
   * @throws SsoCodeRefused, TenantSuspended, MfaRequired, SignInRefused
   */
  async redeem(code: string, codeVerifier: string, client: Client): Promise<TokenPair> {
    const id = this.presented.subjectOf('sso', code, '/api/auth/sso/redeem');
    const user = id === undefined ? undefined : await this.ownerOf(id, code, codeVerifier);
    if (!user) throw new SsoCodeRefused();
    demandOpen(this.tenant(), user.role);
    await this.challenges.demandSecondFactor(user, await this.demand.appliesTo(user.role), 'sso');
    return this.devices.open(user, client, 'sso');
  }

  private async ownerOf(id: string, code: string, codeVerifier: string): Promise<User | undefined> {
    const inForce = { id, tokenHash: this.credentials.hash(code), redeemableUntil: MoreThan(new Date()) };
    const signIn = await this.transaction.run(async () => {
      const found = await this.signIns.findOne({ where: inForce, lock: { mode: 'pessimistic_write' } });
      if (found) await this.signIns.update({ id }, { tokenHash: null });
      return found;
    });
    if (!signIn?.userId || sha256(codeVerifier).toString('base64url') !== signIn.codeChallenge) return undefined;
    const user = await this.users.findOneBy({ id: signIn.userId, status: 'active' });
    return user?.tokenVersion === signIn.tokenVersion ? user : undefined;
  }

  /** @throws SsoStateRefused when it was used before */
  private async useUp({ id, codeChallenge, expiresAt }: SsoState): Promise<void> {
    const row = { id, codeChallenge, createdAt: new Date(), expiresAt: new Date(expiresAt) };
    try {
      await this.signIns.insert({ ...row, userId: null, tokenHash: null, tokenVersion: null, redeemableUntil: null });
    } catch (error) {
      throw isDuplicateOf('sso_sign_ins_pkey', error) ? new SsoStateRefused() : error;
    }
  }

  private tenant() {
    return this.context.currentOrThrow('Single sign-on');
  }
}

function random(): string {
  return randomBytes(32).toString('base64url');
}
