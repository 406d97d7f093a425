import { declareSetting } from '../settings/index.js';

/** What a tenant calls itself in its mails; its name when empty. */
export const MAIL_BRAND = declareSetting<string>({
  key: 'mail.brand',
  default: '',
  allowed: 'a text of at most 100 characters',
  accepts: (value): value is string => typeof value === 'string' && value.length <= 100,
});
