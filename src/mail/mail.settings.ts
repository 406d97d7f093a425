import { ArrayMaxSize } from 'class-validator';
import { declareSetting, Satisfies } from '../settings/index.js';
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
