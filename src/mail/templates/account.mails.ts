import type { MailLink } from '../mail.links.js';
import type { MailText } from './mail.text.js';

const NOT_YOU = 'If this was not you, set a new password at once and tell an administrator of {{ brand }}.';

/** Mails about somebody's own account. */
export interface AccountMails {
  'verify-email': { expires: string };
  'reset-password': { expires: string };
  'password-changed': { when: string; address?: string };
  'new-device': { when: string; device: string; address?: string };
  'which-tenants': { tenants: { name: string; url: MailLink }[] };
  'mfa-changed': { change: 'enabled' | 'disabled' | 'new recovery codes'; when: string };
  'email-change-requested': { new_email: string; when: string };
  'email-changed': { new_email: string; when: string };
}

export const ACCOUNT_MAILS: Record<keyof AccountMails, MailText> = {
  'verify-email': {
    subject: 'Confirm your mail address for {{ brand }}',
    heading: 'Confirm your mail address',
    paragraphs: [
      'Somebody, probably you, gave this address to {{ brand }}.',
      'The link works once and ends {{ expires }}.',
    ],
    button: 'Confirm the address',
    closing: 'If it was not you, ignore this mail: the address stays unconfirmed.',
  },
  'reset-password': {
    subject: 'Set a new password for {{ brand }}',
    heading: 'Set a new password',
    paragraphs: [
      'Somebody, probably you, asked for a new password at {{ brand }}.',
      'The link works once and ends {{ expires }}.',
    ],
    button: 'Set a new password',
    closing: 'If it was not you, ignore this mail: your password stays as it is.',
  },
  'password-changed': {
    subject: 'Your password for {{ brand }} was changed',
    heading: 'Your password was changed',
    paragraphs: ['The password of your account at {{ brand }} was changed.'],
    facts: [
      ['When', 'when'],
      ['From', 'address'],
    ],
    button: 'Review your account',
    closing: NOT_YOU,
  },
  'new-device': {
    subject: 'New sign-in to {{ brand }}',
    heading: 'A new device signed in',
    paragraphs: ['Your account at {{ brand }} was used from a device that we have not seen before.'],
    facts: [
      ['When', 'when'],
      ['Device', 'device'],
      ['From', 'address'],
    ],
    button: 'Review your devices',
    closing: NOT_YOU,
  },
  'which-tenants': {
    subject: 'Where you have an account',
    heading: 'Where you have an account',
    paragraphs: [
      '{% if tenants.size == 0 %}No account uses this mail address.{% else %}This mail address has an account at:{% endif %}',
    ],
    closing: 'Somebody, probably you, asked for this list. If it was not you, ignore this mail: only you were told.',
  },
  'mfa-changed': {
    subject: 'The second factor of your account at {{ brand }} was changed',
    heading: 'Your second factor was changed',
    paragraphs: ['The second factor of your account at {{ brand }}: {{ change }}.'],
    facts: [['When', 'when']],
    button: 'Review your account',
    closing: NOT_YOU,
  },
  'email-change-requested': {
    subject: 'Another mail address for your account at {{ brand }}',
    heading: 'Another mail address was given',
    paragraphs: [
      'Your account at {{ brand }} is to have the address {{ new_email }}.',
      'Until that address is confirmed, this one stays in use.',
    ],
    facts: [['When', 'when']],
    button: 'Review your account',
    closing: NOT_YOU,
  },
  'email-changed': {
    subject: 'The mail address of your account at {{ brand }} was changed',
    heading: 'Your mail address was changed',
    paragraphs: [
      'Your account at {{ brand }} now has the address {{ new_email }}. This one is no longer in use there.',
    ],
    facts: [['When', 'when']],
    button: 'Review your account',
    closing: NOT_YOU,
  },
};
