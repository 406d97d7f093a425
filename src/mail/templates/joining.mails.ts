import type { MailLink } from '../mail.links.js';
import type { MailText } from './mail.text.js';

/** Mails about getting in: to who is invited, signs up, or is to own a new tenant. */
export interface JoiningMails {
  invitation: { inviter: string; role: string; expires: string };
  welcome: { tenant: string; expires: string };
  'welcome-invitation': { tenant: string; expires: string };
  signup: { slug: string; expires: string };
  'signup-known': { slug: string; expires: string; tenants: { name: string; url: MailLink }[] };
  signups: { tenants: { name: string; url: MailLink }[] };
}

export const JOINING_MAILS: Record<keyof JoiningMails, MailText> = {
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
};
