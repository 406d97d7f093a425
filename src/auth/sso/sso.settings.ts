import { ArrayMaxSize, ArrayUnique, Matches, MaxLength } from 'class-validator';
import { declareSecret, declareSetting, Satisfies } from '../../settings/index.js';

/** The tenant's own OpenID Connect provider; without it there is no single sign-on. */
export const SSO_ISSUER = declareSetting<string>({
  key: 'sso.issuer',
  description:
    'The issuer of your OpenID Connect provider, as its discovery document names it; empty: no single sign-on.',
  copied: false,
  type: 'string',
  rules: [Satisfies('isIssuer', (value) => value === '' || (typeof value === 'string' && isIssuer(value)))],
  schema: { format: 'uri' },
  allowed: 'an https URL such as "https://login.example.com", without query or fragment',
  default: '',
  changedBy: 'owner',
});

export const SSO_CLIENT_ID = declareSetting<string>({
  key: 'sso.client_id',
  description: 'The client id that your provider gave you for this service.',
  copied: false,
  type: 'string',
  rules: [MaxLength(500), Matches(/^\P{Cc}*$/u)],
  allowed: 'a text of at most 500 characters',
  default: '',
  changedBy: 'owner',
});

export const SSO_CLIENT_SECRET = declareSecret({
  key: 'sso.client_secret',
  description: 'The client secret that your provider gave you; none for a public client.',
  sentTo: [SSO_ISSUER],
  rules: [MaxLength(2000), Matches(/^\P{Cc}+$/u)],
  allowed: 'a text of 1 to 2,000 characters',
  changedBy: 'owner',
});

export const SSO_SCOPES = declareSetting<string[]>({
  key: 'sso.scopes',
  description: 'What is asked of your provider beside "openid".',
  copied: false,
  type: 'array',
  rules: [ArrayMaxSize(20), ArrayUnique(), Matches(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, { each: true })],
  schema: { items: { type: 'string' } },
  allowed: 'a list of at most 20 scopes, such as "email"',
  default: ['email', 'profile'],
  changedBy: 'owner',
});

/** Off, so that whoever the provider knows is not let in by that alone. */
export const SSO_PROVISION = declareSetting<boolean>({
  key: 'sso.provision',
  description:
    'Whether people whom your provider knows and you do not become members when they sign in; only those with an address in sso.domains.',
  copied: false,
  type: 'boolean',
  allowed: 'true or false',
  default: false,
  changedBy: 'owner',
});

export const SSO_DOMAINS = declareSetting<string[]>({
  key: 'sso.domains',
  description: 'Domains of the addresses of people who may become members by single sign-on; none when empty.',
  copied: false,
  type: 'array',
  rules: [ArrayMaxSize(100), Matches(/^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)+$/, { each: true })],
  schema: { items: { type: 'string' } },
  allowed: 'a list of at most 100 domains such as "example.com", in small letters',
  default: [],
  changedBy: 'owner',
});

export const SSO_LABEL = declareSetting<string>({
  key: 'sso.label',
  description: 'What the button for single sign-on says.',
  type: 'string',
  rules: [MaxLength(100)],
  allowed: 'a text of at most 100 characters',
  default: 'Single sign-on',
  changedBy: 'admin',
});

/** OpenID Connect Discovery 1.0, section 3: no query and no fragment. Plain http is for networks the operator allows. */
function isIssuer(text: string): boolean {
  if (text.length > 500 || !URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['https:', 'http:'].includes(protocol) && [username, password, search, hash].every((part) => part === '');
}
