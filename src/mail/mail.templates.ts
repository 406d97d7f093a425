import type { MailLink } from './mail.links.js';

/** What each mail is told. Texts are plain; they are escaped where they are put into HTML. Times are for reading. */
export interface MailData {
  invitation: { inviter: string; role: string; expires: string };
  'verify-email': { expires: string };
  'reset-password': { expires: string };
  'password-changed': { when: string; address?: string };
  'new-device': { when: string; device: string; address?: string };
  'which-tenants': { tenants: { name: string; url: MailLink }[] };
  'mfa-changed': { change: 'enabled' | 'disabled' | 'new recovery codes'; when: string };
  'email-change-requested': { new_email: string; when: string };
  'email-changed': { new_email: string; when: string };
  'api-key-created': { key: string; creator: string; when: string };
  welcome: { tenant: string; expires: string };
  'welcome-invitation': { tenant: string; expires: string };
  'domain-disabled': { domain: string; record: string; text: string; when: string };
  'tenant-suspended': { tenant: string; reason: string };
  'tenant-resumed': { tenant: string };
  'trial-ends': { tenant: string; date: string };
  'trial-ended': { tenant: string; date: string };
  'archive-ahead': { tenant: string; date: string };
  'deletion-ahead': { tenant: string; date: string; erased: string };
  'erasure-ahead': { tenant: string; date: string };
  signup: { slug: string; expires: string };
  'signup-known': { slug: string; expires: string; tenants: { name: string; url: MailLink }[] };
  signups: { tenants: { name: string; url: MailLink }[] };
  'impersonation-notice': { admin: string; user: string; reason: string; when: string; minutes: string };
  'impersonation-request': { admin: string; user: string; reason: string; when: string; minutes: string };
}

/** The links each mail needs. `action` is its button. */
export type MailLinksOf<T extends MailTemplate> = T extends 'which-tenants' | 'signups'
  ? { action?: undefined }
  : { action: MailLink };

export type MailTemplate = keyof MailData;

/** One source for both parts, so that text and HTML cannot say different things. Strings are Liquid. */
export interface MailText {
  subject: string;
  heading: string;
  paragraphs: string[];
  /** Rows of a small table: label and name of the datum; those without a value are left out. */
  facts?: [label: string, datum: string][];
  button?: string;
  /** Below the button: what to do when this was not expected. */
  closing: string;
}

const NOT_YOU = 'If this was not you, set a new password at once and tell an administrator of {{ brand }}.';

export const MAIL_TEMPLATES: Record<MailTemplate, MailText> = {
  invitation: {
    subject: '{{ inviter }} invites you to {{ brand }}',
    heading: 'Join {{ brand }}',
    paragraphs: [
      '{{ inviter }} invites you to {{ brand }} as {{ role }}.',
      'The invitation works once and ends {{ expires }}.',
    ],
    button: 'Accept the invitation',
    closing: 'If you do not know what this is about, ignore this mail: without you nothing happens.',
  },
  welcome: {
    subject: '{{ tenant }} is ready',
    heading: 'Welcome to {{ tenant }}',
    paragraphs: [
      '{{ tenant }} is set up and you are its owner.',
      'Sign in with your mail address and the password you chose.',
    ],
    button: 'Open {{ tenant }}',
    closing: 'If you did not ask for this, answer to this mail and we remove it.',
  },
  'welcome-invitation': {
    subject: '{{ tenant }} is ready for you',
    heading: 'Welcome to {{ tenant }}',
    paragraphs: [
      '{{ tenant }} is being set up and you are to be its owner.',
      'Choose a password to begin. The link works once and ends {{ expires }}.',
    ],
    button: 'Choose a password',
    closing: 'If you do not know what this is about, ignore this mail: without you nothing happens.',
  },
  'tenant-suspended': {
    subject: '{{ tenant }} was suspended',
    heading: '{{ tenant }} was suspended',
    paragraphs: [
      '{{ tenant }} is out of service for now. Its data is still there, and as its owner you can sign in and take it along.',
      'To have it back, answer to this mail.',
    ],
    facts: [['Reason', 'reason']],
    button: 'Open {{ tenant }}',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'tenant-resumed': {
    subject: '{{ tenant }} is back in service',
    heading: '{{ tenant }} is back in service',
    paragraphs: ['{{ tenant }} can be used again as before.'],
    button: 'Open {{ tenant }}',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'trial-ends': {
    subject: 'The trial of {{ tenant }} ends {{ date }}',
    heading: 'Your trial ends soon',
    paragraphs: [
      'The trial of {{ tenant }} ends {{ date }}. Nobody can use it from then on; its data stays.',
      'To go on, answer to this mail before that.',
    ],
    button: 'Open {{ tenant }}',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'trial-ended': {
    subject: 'The trial of {{ tenant }} has ended',
    heading: 'Your trial has ended',
    paragraphs: [
      'The trial of {{ tenant }} ended {{ date }}. Nobody can use it now; its data is still there.',
      'To go on where you were, answer to this mail.',
    ],
    button: 'Open {{ tenant }}',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'archive-ahead': {
    subject: '{{ tenant }} will be archived {{ date }}',
    heading: '{{ tenant }} will be archived',
    paragraphs: [
      '{{ tenant }} is suspended. If it stays so it is archived, not before {{ date }}: its address then answers to nobody.',
      'To keep it, answer to this mail before that.',
    ],
    button: 'Open {{ tenant }}',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'deletion-ahead': {
    subject: '{{ tenant }} will be deleted',
    heading: '{{ tenant }} will be deleted',
    paragraphs: [
      '{{ tenant }} is archived. Its deletion begins {{ date }}, and all its data is erased not before {{ erased }}.',
      'To keep it, answer to this mail before that. What is erased cannot be brought back.',
    ],
    button: 'Open the service',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  'erasure-ahead': {
    subject: 'The data of {{ tenant }} will be erased {{ date }}',
    heading: 'The data of {{ tenant }} will be erased',
    paragraphs: [
      'All data of {{ tenant }} is erased {{ date }}. It cannot be brought back after that.',
      'To keep it, answer to this mail at once.',
    ],
    button: 'Open the service',
    closing: 'You get this mail because you own {{ tenant }}.',
  },
  // What the person typed beside the slug stays out: anybody can have this mail sent to anybody.
  signup: {
    subject: 'Confirm your sign-up for {{ slug }}',
    heading: 'One step to go',
    paragraphs: [
      'Somebody, probably you, signed up for {{ slug }} with this mail address.',
      'The link works once and ends {{ expires }}. With it {{ slug }} is set up and you are its owner.',
    ],
    button: 'Set up {{ slug }}',
    closing: 'If it was not you, ignore this mail: without you nothing happens.',
  },
  'signup-known': {
    subject: 'Confirm your sign-up for {{ slug }}, or sign in',
    heading: 'You have an account already',
    paragraphs: [
      'Somebody, probably you, signed up for {{ slug }} with this mail address, which has an account at those below.',
      'To sign in there, follow its link. To have {{ slug }} as well, use the button; it works once and ends {{ expires }}.',
    ],
    button: 'Set up {{ slug }}',
    closing: 'If it was not you, ignore this mail: without you nothing happens.',
  },
  signups: {
    subject: 'Confirm your sign-ups',
    heading: 'One step to go',
    paragraphs: [
      'There is more than one sign-up with this mail address. Each link sets one up, with you as its owner; it works once.',
      'Follow only the link of what you signed up for yourself: whoever signed up chose its password.',
    ],
    closing: 'If it was not you, ignore this mail: without you nothing happens.',
  },
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
  'api-key-created': {
    subject: 'New API key at {{ brand }}: {{ key }}',
    heading: 'An API key was created',
    paragraphs: ['{{ creator }} created the API key “{{ key }}” at {{ brand }}.'],
    facts: [['When', 'when']],
    button: 'Review the API keys',
    closing: 'If you did not expect this, revoke the key.',
  },
  'domain-disabled': {
    subject: '{{ domain }} no longer leads to {{ brand }}',
    heading: 'A domain was disabled',
    paragraphs: [
      'The proof that {{ domain }} belongs to {{ brand }} has been missing in the DNS for three days. Requests by that name are not answered any more.',
      'To use it again, set the TXT record below and verify the domain.',
    ],
    facts: [
      ['Record', 'record'],
      ['Text', 'text'],
      ['When', 'when'],
    ],
    button: 'Review the domains',
    closing: 'If the domain is not yours any more, remove it from the list.',
  },
  'impersonation-notice': {
    subject: 'Support works in {{ brand }} as {{ user }}',
    heading: 'Support works in your account',
    paragraphs: [
      '{{ admin }} of the platform works in {{ brand }} as {{ user }}, for at most {{ minutes }} minutes.',
      'Whatever is done is in your audit log under both names.',
    ],
    facts: [
      ['Reason', 'reason'],
      ['Since', 'when'],
    ],
    button: 'See the audit log',
    closing: 'If you do not expect this, contact the operator of the platform.',
  },
  'impersonation-request': {
    subject: 'Support asks to work in {{ brand }} as {{ user }}',
    heading: 'Support asks for your consent',
    paragraphs: [
      '{{ admin }} of the platform asks to work in {{ brand }} as {{ user }}, for at most {{ minutes }} minutes.',
      'Nothing happens until an administrator of {{ brand }} agrees. The question ends after a day.',
    ],
    facts: [
      ['Reason', 'reason'],
      ['Asked', 'when'],
    ],
    button: 'Answer',
    closing: 'If you do not expect this, refuse it, or contact the operator of the platform.',
  },
};
