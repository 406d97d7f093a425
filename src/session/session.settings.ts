import { declareSetting } from '../settings/index.js';

/** Whether visitors without an account may open sessions. */
export const CHAT_PUBLIC = declareSetting<boolean>({
  key: 'chat.public',
  default: false,
  allowed: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
});

/** What a visitor is greeted with. */
export const WELCOME = declareSetting<string>({
  key: 'welcome',
  default: '',
  allowed: 'a text of at most 2,000 characters',
  accepts: (value): value is string => typeof value === 'string' && value.length <= 2000,
});
