import { ArrayMaxSize, IsIn, IsString, Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';

/** Whether visitors without an account may open and use chat sessions. */
export const CHAT_PUBLIC = declareSetting<boolean>({
  key: 'chat.public',
  description: 'Whether visitors without an account may open and use chat sessions.',
  type: 'boolean',
  allowed: 'true or false',
  default: false,
  changedBy: 'admin',
});

/** Whether a platform admin may act as a user of the tenant: at once, after one of its admins agreed, or not at all. */
export const SUPPORT_IMPERSONATION = declareSetting<'allowed' | 'consent' | 'never'>({
  key: 'support.impersonation',
  description: 'Whether support may act as one of your users: at once, after one of your admins agreed, or never.',
  type: 'string',
  rules: [IsIn(['allowed', 'consent', 'never'])],
  allowed: 'allowed, consent or never',
  default: 'allowed',
  changedBy: 'owner',
});

/** What becomes of the chat messages of a user who deletes their account. */
export const DELETED_USER_MESSAGES = declareSetting<'anonymise' | 'remove'>({
  key: 'auth.deleted_user_messages',
  description: 'What becomes of the chat messages of users who delete their account.',
  type: 'string',
  rules: [IsIn(['anonymise', 'remove'])],
  allowed: 'anonymise or remove',
  default: 'anonymise',
  changedBy: 'owner',
});

/** Roles whose holders must have a second factor; for composed roles beside them see `SecondFactorDemand`. */
export const MFA_ROLES = declareSetting<string[]>({
  key: 'auth.mfa_roles',
  description: 'Roles whose holders must have a second factor.',
  type: 'array',
  rules: [ArrayMaxSize(100), IsString({ each: true })],
  allowed: 'a list of role names',
  default: [],
  changedBy: 'owner',
});

/** Mails that members may have sent to addresses of their choice in an hour: invitations, new people, new addresses. */
export const MEMBER_MAILS_PER_HOUR = declareSetting<number>({
  key: 'limits.member_mails_per_hour',
  description: 'Mails in an hour that members may have sent to addresses of their choice, such as invitations.',
  type: 'integer',
  rules: [Min(1), Max(100_000)],
  allowed: 'an integer from 1 to 100,000',
  default: 500,
  changedBy: 'platform',
  byPlan: true,
});
