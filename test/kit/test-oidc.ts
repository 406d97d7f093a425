import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';
import type { Answer, TestApp } from './test-app.js';

export const CLIENT = { id: 'tenantry', secret: 'a secret between tenantry and its provider' };

export interface OidcPerson {
  /** The subject, which never changes. */
  sub: string;
  email?: string;
  email_verified?: boolean;
  name?: string;
}

/** A real OpenID Connect provider, where whoever comes is {@link person} and gives a password to nobody. */
export interface TestOidc {
  issuer: string;
  /** Who sits at the browser; undefined: somebody who declines. */
  person: OidcPerson | undefined;
  /** Requests that reached it, on whatever address. */
  requests(): number;
  /** The same server at another address of this machine. */
  at(address: string): string;
  stop(): Promise<void>;
}

export async function startOidc(redirectUris: string[]): Promise<TestOidc> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const people = new Map<string, OidcPerson>();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  let requests = 0;
  const oidc: TestOidc = {
    issuer: `http://127.0.0.1:${port}`,
    person: undefined,
    requests: () => requests,
    at: (address) => `http://${address}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const configuration: Configuration = {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: redirectUris,
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['a key of this test'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...people.get(sub), sub }) }),
    // Whoever signs in has agreed to everything.
    loadExistingGrant: async ({ oidc: { client, session, provider, params } }) => {
      const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! });
      grant.addOIDCScope(String(params!['scope']));
      await grant.save();
      return grant;
    },
  };
  const provider = new Provider(oidc.issuer, configuration);
  const handle = provider.callback();
  server.on('request', (request, response) => {
    requests += 1;
    if (!request.url?.startsWith('/interaction/')) return void handle(request, response);
    const { person } = oidc;
    if (person) people.set(person.sub, person);
    const result = person
      ? { login: { accountId: person.sub, remember: false } }
      : { error: 'access_denied', error_description: 'declined' };
    void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  return oidc;
}

/** A browser: keeps cookies by host, and follows redirects between the application and the provider. */
export class TestBrowser {
  private readonly jar = new Map<string, Map<string, string>>();
  /** Every address that it was sent to. */
  readonly visited: string[] = [];

  constructor(
    private readonly t: TestApp,
    /** Whose hosts the application answers for. */
    private readonly domain = 'localhost',
  ) {}

  cookies(host: string): Map<string, string> {
    const found = this.jar.get(host) ?? new Map<string, string>();
    this.jar.set(host, found);
    return found;
  }

  /** One request, without following. */
  async get(address: string): Promise<Pick<Answer, 'status'> & { location: string | undefined; text: string }> {
    const url = new URL(address);
    this.visited.push(address);
    const cookies = this.cookies(url.hostname);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    if (url.hostname.endsWith(this.domain)) {
      const headers = { host: url.host, ...(cookie && { cookie }) };
      const answer = await this.t.request('GET', `${url.pathname}${url.search}`, { headers });
      this.keep(cookies, answer.headers['set-cookie'] ?? []);
      return { status: answer.status, location: answer.headers.location, text: answer.text };
    }
    const answer = await fetch(url, { redirect: 'manual', headers: { ...(cookie && { cookie }) } });
    this.keep(cookies, answer.headers.getSetCookie());
    return {
      status: answer.status,
      location: answer.headers.get('location') ?? undefined,
      text: await answer.text(),
    };
  }

  /** Follows redirects until there is none, or one to an address that `until` knows, which is not opened. */
  async follow(address: string, until: (url: URL) => boolean): Promise<URL> {
    let at = new URL(address);
    for (let hops = 0; hops < 15; hops += 1) {
      if (until(at)) return at;
      const { status, location, text } = await this.get(at.href);
      if (location === undefined) throw new Error(`${at.origin}${at.pathname} answers ${status}: ${text}`);
      at = new URL(location, at);
    }
    throw new Error('redirected for ever');
  }

  private keep(cookies: Map<string, string>, lines: string[]): void {
    for (const line of lines) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (/max-age=0\b|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(pair.slice(0, at));
      else cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}
