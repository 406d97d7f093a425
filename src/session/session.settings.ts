import { declareSetting } from '../settings/index.js';

/** What a visitor is greeted with. */
export const WELCOME = declareSetting<string>({
  key: 'welcome',
  default: '',
  allowed: 'a text of at most 2,000 characters',
  accepts: (value): value is string => typeof value === 'string' && value.length <= 2000,
});
