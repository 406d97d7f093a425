import { Matches, MaxLength } from 'class-validator';
import { isMailAddress } from '../common/index.js';
import { declareSetting, Satisfies, type Setting } from '../settings/index.js';

/** What a tenant calls itself in mails and pages; its name when empty. */
export const BRANDING_NAME = declareSetting<string>({
  key: 'branding.name',
  formerly: 'mail.brand',
  description: 'What you are called in mails and pages; the name of the tenant when empty.',
  type: 'string',
  rules: [MaxLength(100)],
  allowed: 'a text of at most 100 characters',
  default: '',
  changedBy: 'admin',
});

/** Of buttons and links. Text on it is black or white, whichever reads better. */
export const BRANDING_PRIMARY_COLOR = declareColor('primary_color', 'Colour of buttons and links.', '#0b57d0');

/** Of lines. */
export const BRANDING_ACCENT_COLOR = declareColor('accent_color', 'Colour of lines.', '#d0d7de');

/** Where people of the tenant get help by mail. */
export const BRANDING_SUPPORT_ADDRESS = declareSetting<string>({
  key: 'branding.support_address',
  description: 'E-mail address for questions, at the foot of mails and pages; none when empty.',
  type: 'string',
  rules: [
    Satisfies('isSupportAddress', (value) => value === '' || (typeof value === 'string' && isMailAddress(value))),
  ],
  allowed: 'one e-mail address',
  default: '',
  changedBy: 'admin',
});

/** Where they find help. */
export const BRANDING_SUPPORT_URL = declareSetting<string>({
  key: 'branding.support_url',
  description: 'Page with help, at the foot of mails and pages; none when empty.',
  type: 'string',
  rules: [Satisfies('isSupportUrl', (value) => value === '' || (typeof value === 'string' && isSupportUrl(value)))],
  allowed: 'an https URL of at most 300 characters, without name and password',
  default: '',
  changedBy: 'admin',
});

function declareColor(name: string, description: string, fallback: string): Setting<string> {
  return declareSetting<string>({
    key: `branding.${name}`,
    description,
    type: 'string',
    rules: [Matches(/^#[0-9a-fA-F]{6}$/)],
    allowed: `a colour such as "${fallback}"`,
    default: fallback,
    changedBy: 'admin',
  });
}

function isSupportUrl(text: string): boolean {
  if (text.length > 300 || /[\s\p{C}]/u.test(text) || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && username === '' && password === '';
}
