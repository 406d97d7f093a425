import { declareSetting } from '../settings/index.js';

/** Whether visitors without an account may open and use chat sessions. */
export const CHAT_PUBLIC = declareSetting<boolean>({
  key: 'chat.public',
  default: false,
  allowed: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
});

/** Roles whose holders must have a second factor. */
export const MFA_ROLES = declareSetting<string[]>({
  key: 'auth.mfa_roles',
  default: [],
  allowed: 'a list of role names',
  accepts: (value): value is string[] =>
    Array.isArray(value) && value.length <= 100 && value.every((role) => typeof role === 'string'),
});
