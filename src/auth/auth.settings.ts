import { declareSetting } from '../settings/index.js';

/** Whether visitors without an account may open and use chat sessions. */
export const CHAT_PUBLIC = declareSetting<boolean>({
  key: 'chat.public',
  default: false,
  allowed: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
});

/** Whether a platform admin may act as a user of the tenant: at once, after one of its admins agreed, or not at all. */
export const SUPPORT_IMPERSONATION = declareSetting<'allowed' | 'consent' | 'never'>({
  key: 'support.impersonation',
  default: 'allowed',
  allowed: 'allowed, consent or never',
  accepts: (value): value is 'allowed' | 'consent' | 'never' =>
    typeof value === 'string' && ['allowed', 'consent', 'never'].includes(value),
});

/** What becomes of the chat messages of a user who deletes their account. */
export const DELETED_USER_MESSAGES = declareSetting<'anonymise' | 'remove'>({
  key: 'auth.deleted_user_messages',
  default: 'anonymise',
  allowed: 'anonymise or remove',
  accepts: (value): value is 'anonymise' | 'remove' => value === 'anonymise' || value === 'remove',
});

/** Roles whose holders must have a second factor; for composed roles beside them see `SecondFactorDemand`. */
export const MFA_ROLES = declareSetting<string[]>({
  key: 'auth.mfa_roles',
  default: [],
  allowed: 'a list of role names',
  accepts: (value): value is string[] =>
    Array.isArray(value) && value.length <= 100 && value.every((role) => typeof role === 'string'),
});

/** Mails that members may have sent to addresses of their choice in an hour: invitations, new people, new addresses. */
export const MEMBER_MAILS_PER_HOUR = declareSetting<number>({
  key: 'limits.member_mails_per_hour',
  default: 500,
  allowed: 'an integer from 1 to 100,000',
  accepts: (value): value is number => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 100_000,
});
