import { isIP } from 'node:net';
import { ArrayMaxSize, IsIn, Max, MaxLength, Min } from 'class-validator';
import { declareSecret, declareSetting, Satisfies } from '../settings/index.js';
import { isMailAddress } from './mail.address.js';

/** Where the tenant's own front end is, which answers the links in its mails; the tenant's address here when empty. */
export const APP_URL = declareSetting<string>({
  key: 'app.url',
  description: 'Where your own front end is, which answers the links in mails; your address here when empty.',
  copied: false,
  type: 'string',
  rules: [Satisfies('isAppUrl', (value) => value === '' || (typeof value === 'string' && isAppUrl(value)))],
  allowed: 'an https URL such as "https://app.example.com", or one of http://localhost',
  default: '',
  changedBy: 'owner',
});

/** Of a sandbox or training tenant: to whom its mails go all the same. To everybody else it sends none. */
export const SANDBOX_RECIPIENTS = declareSetting<string[]>({
  key: 'mail.sandbox_recipients',
  description: 'Of a sandbox: to whom its mails go all the same. To everybody else it sends none.',
  copied: false,
  type: 'array',
  rules: [
    ArrayMaxSize(20),
    Satisfies(
      'areMailAddresses',
      (value) => Array.isArray(value) && value.every((it) => typeof it === 'string' && isMailAddress(it)),
    ),
  ],
  schema: { items: { type: 'string', format: 'email' } },
  allowed: 'a list of at most 20 e-mail addresses',
  default: [],
  changedBy: 'owner',
});

/** The tenant's own mail server; the platform's when empty. Owners alone: it reads links that sign people in. */
export const SMTP_HOST = declareSetting<string>({
  key: 'mail.smtp_host',
  description: 'Your own mail server, which sends your mails; the one of the platform when empty.',
  copied: false,
  type: 'string',
  rules: [Satisfies('isHost', (value) => value === '' || (typeof value === 'string' && isHost(value)))],
  allowed: 'a host name or an address',
  default: '',
  changedBy: 'owner',
});

export const SMTP_PORT = declareSetting<number | undefined>({
  key: 'mail.smtp_port',
  description: 'The port of your mail server; 587 unless set, 465 with tls, 25 with plain.',
  copied: false,
  type: 'integer',
  rules: [Min(1), Max(65_535)],
  allowed: 'a port from 1 to 65535',
  default: undefined,
  changedBy: 'owner',
});

export const SMTP_USER = declareSetting<string>({
  key: 'mail.smtp_user',
  description: 'Who signs in to your mail server; nobody does when empty.',
  copied: false,
  type: 'string',
  rules: [MaxLength(200)],
  allowed: 'a text of at most 200 characters',
  default: '',
  changedBy: 'owner',
});

export const SMTP_PASSWORD = declareSecret({
  key: 'mail.smtp_password',
  description: 'The password of mail.smtp_user.',
  sentTo: [SMTP_HOST, SMTP_PORT],
  rules: [MaxLength(500)],
  allowed: 'a text of at most 500 characters',
  changedBy: 'owner',
});

const SMTP_SECURITIES = ['starttls', 'tls', 'plain'] as const;

export const SMTP_SECURITY = declareSetting<(typeof SMTP_SECURITIES)[number]>({
  key: 'mail.smtp_security',
  description: 'How the connection to your mail server is encrypted; plain only within networks of the operator.',
  copied: false,
  type: 'string',
  rules: [IsIn(SMTP_SECURITIES)],
  allowed: 'starttls, tls or plain',
  default: 'starttls',
  changedBy: 'owner',
});

/** Used with the tenant's own server alone: the platform's would send in the name of anybody. */
export const MAIL_FROM = declareSetting<string>({
  key: 'mail.from',
  description: 'The address that mails come from which your own mail server sends.',
  copied: false,
  type: 'string',
  rules: [Satisfies('isMailAddress', (value) => value === '' || (typeof value === 'string' && isMailAddress(value)))],
  allowed: 'an e-mail address',
  default: '',
  changedBy: 'owner',
});

function isHost(text: string): boolean {
  return (
    isIP(text) !== 0 || (text.length <= 253 && /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_-]+)*\.?$/i.test(text))
  );
}

/** Links carry tokens, so they travel encrypted or not at all; what would come after them is theirs to set. */
function isAppUrl(text: string): boolean {
  if (text.length > 300 || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  const local = hostname === 'localhost' || hostname.endsWith('.localhost');
  return (
    (protocol === 'https:' || (protocol === 'http:' && local)) &&
    [username, password, search, hash].every((part) => part === '')
  );
}
