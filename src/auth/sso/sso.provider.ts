import { Injectable } from '@nestjs/common';
import type { Configuration } from 'openid-client';
import { AppError } from '../../common/index.js';
import { OutboundFetch, OutboundPolicy, PlainRefused } from '../../outbound/index.js';
import { ResourceUnavailable, type TenantResource, TenantResources } from '../../resources/index.js';
import { SecretVault } from '../../secrets/index.js';
import { settingOf } from '../../settings/index.js';
import { type Tenant, TenantContext } from '../../tenancy/index.js';
import type { SsoState } from './sso-state.cookie.js';
import { SsoNotConfigured, SsoRefused } from './sso.errors.js';
import { faultOf } from './sso.faults.js';
import { SSO_CLIENT_ID, SSO_CLIENT_SECRET, SSO_ISSUER, SSO_SCOPES } from './sso.settings.js';

const BOUNDS = { timeoutMs: 8000, maxBytes: 512 * 1024 };
/** The clock of a provider may be off by this much, in seconds. */
const CLOCK_TOLERANCE = 30;

/** What a provider says of a person. */
export interface ProviderIdentity {
  issuer: string;
  subject: string;
  email: string | undefined;
  emailVerified: boolean;
  name: string | undefined;
}

/** The current tenant's OpenID Connect provider. */
@Injectable()
export class SsoProvider {
  private readonly client: TenantResource<Configuration>;

  constructor(
    resources: TenantResources,
    private readonly outbound: OutboundFetch,
    private readonly policy: OutboundPolicy,
    private readonly vault: SecretVault,
    private readonly context: TenantContext,
  ) {
    this.client = resources.declare<Configuration>({
      name: 'sso',
      settings: [SSO_ISSUER, SSO_CLIENT_ID, SSO_CLIENT_SECRET],
      isSetUp,
      make: (tenant) => this.discover(tenant),
      dispose: () => undefined,
      reasonOf: faultOf,
    });
  }

  /** Whether the tenant has set one. */
  get configured(): boolean {
    return isSetUp(this.context.currentOrThrow('Single sign-on'));
  }

  /**
   * Where to send the browser, and how the provider calls itself.
   *
   * @param redirectUri where it is to come back
   * @throws SsoNotConfigured, ResourceUnavailable
   */
  async address(
    { state, nonce, codeVerifier }: Pick<SsoState, 'state' | 'nonce' | 'codeVerifier'>,
    redirectUri: string,
  ): Promise<{ url: string; issuer: string }> {
    if (!this.configured) throw new SsoNotConfigured();
    const scopes = settingOf(this.context.currentOrThrow('Single sign-on'), SSO_SCOPES);
    return this.client.use(async (config) => {
      const { buildAuthorizationUrl, calculatePKCECodeChallenge } = await load();
      const url = buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: [...new Set(['openid', ...scopes])].join(' '),
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      });
      await this.demandSecure(url);
      return { url: url.href, issuer: config.serverMetadata().issuer };
    });
  }

  /**
   * Trades the code of the provider's answer, and asks who it is.
   *
   * @param answer where the browser came back, with the query that it brought
   * @throws SsoNotConfigured, ResourceUnavailable; SsoRefused when the provider does not vouch for the answer, it is of
   *   another sign-in, or the person declined
   */
  async identify(answer: URL, { issuer, state, nonce, codeVerifier }: SsoState): Promise<ProviderIdentity> {
    if (!this.configured) throw new SsoNotConfigured();
    try {
      return await this.client.use(async (config) => {
        if (config.serverMetadata().issuer !== issuer) throw new SsoRefused('answer of the provider not accepted');
        const { authorizationCodeGrant } = await load();
        const tokens = await authorizationCodeGrant(config, answer, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: codeVerifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (!claims) throw new SsoRefused('answer of the provider not accepted');
        const told = await this.asked(config, claims, tokens.access_token);
        return {
          issuer: claims.iss,
          subject: claims.sub,
          email: typeof told['email'] === 'string' ? told['email'] : undefined,
          emailVerified: told['email_verified'] === true,
          name: typeof told['name'] === 'string' ? told['name'] : undefined,
        };
      });
    } catch (error) {
      if (error instanceof AppError) throw error;
      const fault = faultOf(error);
      if (fault !== undefined) throw new ResourceUnavailable('sso', fault, error);
      const declined = (error as { error?: unknown }).error === 'access_denied';
      throw new SsoRefused(declined ? 'declined at the provider' : 'answer of the provider not accepted', error);
    }
  }

  /** Providers may keep the address out of the ID token, and for who asks (OpenID Connect Core 1.0, section 5.4). */
  private async asked(
    config: Configuration,
    claims: { sub: string; [name: string]: unknown },
    accessToken: string,
  ): Promise<Record<string, unknown>> {
    if (claims['email'] !== undefined || !config.serverMetadata().userinfo_endpoint) return claims;
    const { fetchUserInfo } = await load();
    return fetchUserInfo(config, accessToken, claims.sub);
  }

  private async discover(tenant: Tenant): Promise<Configuration> {
    const client = await load();
    const secret = await this.vault.open(SSO_CLIENT_SECRET);
    const authenticate: import('openid-client').ClientAuth = (server, metadata, body, headers) => {
      const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      if (secret === undefined) return client.None()(server, metadata, body, headers);
      const basic = supported.includes('client_secret_basic');
      return (basic ? client.ClientSecretBasic : client.ClientSecretPost)(secret)(server, metadata, body, headers);
    };
    const send = this.outbound.within(BOUNDS);
    return client.discovery(
      new URL(settingOf(tenant, SSO_ISSUER)),
      settingOf(tenant, SSO_CLIENT_ID),
      { [client.clockTolerance]: CLOCK_TOLERANCE },
      authenticate,
      {
        [client.customFetch]: (url, options) => send(url, options),
        // Whether plain http will do is for the operator to say, of each connection: OutboundFetch asks.
        execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
      },
    );
  }

  /** Of a page that a browser is sent to. @throws PlainRefused for http, unless it leads into a network that the operator has named */
  private async demandSecure({ protocol, hostname }: URL): Promise<void> {
    if (protocol === 'https:') return;
    if (protocol !== 'http:' || !(await this.policy.isAllowedByOperator(hostname))) throw new PlainRefused(hostname);
  }
}

const isSetUp = (tenant: Tenant): boolean =>
  settingOf(tenant, SSO_ISSUER) !== '' && settingOf(tenant, SSO_CLIENT_ID) !== '';

/** Only when somebody signs in that way. */
const load = () => import('openid-client');
