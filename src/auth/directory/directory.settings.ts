import { IsIn, Matches, MaxLength } from 'class-validator';
import { declareSecret, declareSetting, Satisfies } from '../../settings/index.js';

const EMAIL = '{email}';

/** The tenant's own directory (LDAP); without it all passwords are checked here. */
export const DIRECTORY_URL = declareSetting<string>({
  key: 'directory.url',
  description: 'Your LDAP directory, which checks the passwords of your people; empty: none.',
  copied: false,
  type: 'string',
  rules: [Satisfies('isLdapUrl', (value) => value === '' || (typeof value === 'string' && isLdapUrl(value)))],
  allowed: 'ldaps://host[:port], or ldap://host[:port], which goes on with STARTTLS',
  default: '',
  changedBy: 'owner',
});

export const DIRECTORY_CA = declareSetting<string>({
  key: 'directory.ca',
  description:
    "The certificates, as PEM, by which your directory's own is trusted; empty: those of public authorities.",
  copied: false,
  type: 'string',
  rules: [
    MaxLength(20_000),
    // Whitespace stands in one place of the repetition: in two, a text could be read in so many ways that it takes for ever.
    Matches(/^\s*(-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----\s*)*$/),
  ],
  allowed: 'certificates as PEM, at most 20,000 characters',
  default: '',
  changedBy: 'owner',
});

export const DIRECTORY_BIND_DN = declareSetting<string>({
  key: 'directory.bind_dn',
  description: 'As whom your directory is searched; empty: anonymously.',
  copied: false,
  type: 'string',
  rules: [MaxLength(1000), Matches(/^\P{Cc}*$/u)],
  allowed: 'a distinguished name such as "cn=reader,dc=example,dc=com"',
  default: '',
  changedBy: 'owner',
});

export const DIRECTORY_BIND_PASSWORD = declareSecret({
  key: 'directory.bind_password',
  description: 'The password of directory.bind_dn.',
  sentTo: [DIRECTORY_URL],
  rules: [MaxLength(1000), Matches(/^\P{Cc}+$/u)],
  allowed: 'a text of 1 to 1,000 characters',
  changedBy: 'owner',
});

export const DIRECTORY_BASE_DN = declareSetting<string>({
  key: 'directory.base_dn',
  description: 'The entry beneath which your people are.',
  copied: false,
  type: 'string',
  rules: [MaxLength(1000), Matches(/^\P{Cc}*$/u)],
  allowed: 'a distinguished name such as "ou=people,dc=example,dc=com"',
  default: '',
  changedBy: 'owner',
});

export const DIRECTORY_USER_FILTER = declareSetting<string>({
  key: 'directory.user_filter',
  description: `Finds the entry of a person; ${EMAIL} stands for their address here.`,
  copied: false,
  type: 'string',
  rules: [MaxLength(1000), Satisfies('isUserFilter', (value) => typeof value === 'string' && isUserFilter(value))],
  allowed: `a filter (RFC 4515) with ${EMAIL} in it, such as "(mail=${EMAIL})"`,
  default: `(mail=${EMAIL})`,
  changedBy: 'owner',
});

export const DIRECTORY_SIGN_IN = declareSetting<'without-password' | 'everybody'>({
  key: 'directory.sign_in',
  description:
    'Whose password the directory checks: of those who have none here, or of everybody but owners who have one here.',
  copied: false,
  type: 'string',
  rules: [IsIn(['without-password', 'everybody'])],
  allowed: 'without-password or everybody',
  default: 'without-password',
  changedBy: 'owner',
});

/** RFC 4515, section 3: what a value must not hold as it is. UTF-8 may stay. @param filter with {email} in it */
export function userFilter(filter: string, email: string): string {
  const escaped = email.replaceAll(/[\0()*\\]/g, (it) => `\\${it.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return filter.replaceAll(EMAIL, () => escaped);
}

function isLdapUrl(text: string): boolean {
  if (text.length > 300 || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text);
  const rest = [username, password, search, hash].every((part) => part === '') && ['', '/'].includes(pathname);
  return ['ldap:', 'ldaps:'].includes(protocol) && hostname !== '' && rest;
}

/** Whether its parentheses match, and the address stands in it as a value. */
function isUserFilter(text: string): boolean {
  if (!/^\(.*\)$/s.test(text) || !text.includes(`=${EMAIL}`) || /[\0\r\n]/.test(text)) return false;
  let depth = 0;
  for (const [at, character] of [...text].entries()) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth < 0 || (depth === 0 && at < [...text].length - 1)) return false;
  }
  return depth === 0;
}
