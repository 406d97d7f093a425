import type { MailText } from './mail.text.js';

/** Mails to those who administer a tenant. */
export interface AdministrationMails {
  'api-key-created': { key: string; creator: string; when: string };
  'domain-disabled': { domain: string; record: string; text: string; when: string };
  'impersonation-notice': { admin: string; user: string; reason: string; when: string; minutes: string };
  'impersonation-request': { admin: string; user: string; reason: string; when: string; minutes: string };
}

export const ADMINISTRATION_MAILS: Record<keyof AdministrationMails, MailText> = {
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
