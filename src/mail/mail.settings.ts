import { declareSetting } from '../settings/index.js';
import { isMailAddress } from './mail.address.js';

/** What a tenant calls itself in its mails; its name when empty. */
export const MAIL_BRAND = declareSetting<string>({
  key: 'mail.brand',
  default: '',
  allowed: 'a text of at most 100 characters',
  accepts: (value): value is string => typeof value === 'string' && value.length <= 100,
});

/** Where the tenant's own front end is, which answers the links in its mails; the tenant's address here when empty. */
export const APP_URL = declareSetting<string>({
  key: 'app.url',
  copied: false,
  default: '',
  allowed: 'an https URL such as "https://app.example.com", or one of http://localhost',
  accepts: (value): value is string => typeof value === 'string' && (value === '' || isAppUrl(value)),
});

/** Of a sandbox or training tenant: to whom its mails go all the same. To everybody else it sends none. */
export const SANDBOX_RECIPIENTS = declareSetting<string[]>({
  key: 'mail.sandbox_recipients',
  default: [],
  copied: false,
  allowed: 'a list of at most 20 e-mail addresses',
  accepts: (value): value is string[] =>
    Array.isArray(value) &&
    value.length <= 20 &&
    value.every((address) => typeof address === 'string' && isMailAddress(address)),
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
