import type { MailText } from './mail.text.js';

const YOU_OWN_IT = 'You get this mail because you own {{ tenant }}.';

/** Mails to the owners of a tenant about what becomes of it. */
export interface LifecycleMails {
  'tenant-suspended': { tenant: string; reason: string };
  'tenant-resumed': { tenant: string };
  'trial-ends': { tenant: string; date: string };
  'trial-ended': { tenant: string; date: string };
  'archive-ahead': { tenant: string; date: string };
  'deletion-ahead': { tenant: string; date: string; erased: string };
  'erasure-ahead': { tenant: string; date: string };
}

export const LIFECYCLE_MAILS: Record<keyof LifecycleMails, MailText> = {
  'tenant-suspended': {
    subject: '{{ tenant }} was suspended',
    heading: '{{ tenant }} was suspended',
    paragraphs: [
      '{{ tenant }} is out of service for now. Its data is still there, and as its owner you can sign in and take it along.',
      'To have it back, answer to this mail.',
    ],
    facts: [['Reason', 'reason']],
    button: 'Open {{ tenant }}',
    closing: YOU_OWN_IT,
  },
  'tenant-resumed': {
    subject: '{{ tenant }} is back in service',
    heading: '{{ tenant }} is back in service',
    paragraphs: ['{{ tenant }} can be used again as before.'],
    button: 'Open {{ tenant }}',
    closing: YOU_OWN_IT,
  },
  'trial-ends': {
    subject: 'The trial of {{ tenant }} ends {{ date }}',
    heading: 'Your trial ends soon',
    paragraphs: [
      'The trial of {{ tenant }} ends {{ date }}. Nobody can use it from then on; its data stays.',
      'To go on, answer to this mail before that.',
    ],
    button: 'Open {{ tenant }}',
    closing: YOU_OWN_IT,
  },
  'trial-ended': {
    subject: 'The trial of {{ tenant }} has ended',
    heading: 'Your trial has ended',
    paragraphs: [
      'The trial of {{ tenant }} ended {{ date }}. Nobody can use it now; its data is still there.',
      'To go on where you were, answer to this mail.',
    ],
    button: 'Open {{ tenant }}',
    closing: YOU_OWN_IT,
  },
  'archive-ahead': {
    subject: '{{ tenant }} will be archived {{ date }}',
    heading: '{{ tenant }} will be archived',
    paragraphs: [
      '{{ tenant }} is suspended. If it stays so it is archived, not before {{ date }}: its address then answers to nobody.',
      'To keep it, answer to this mail before that.',
    ],
    button: 'Open {{ tenant }}',
    closing: YOU_OWN_IT,
  },
  'deletion-ahead': {
    subject: '{{ tenant }} will be deleted',
    heading: '{{ tenant }} will be deleted',
    paragraphs: [
      '{{ tenant }} is archived. Its deletion begins {{ date }}, and all its data is erased not before {{ erased }}.',
      'To keep it, answer to this mail before that. What is erased cannot be brought back.',
    ],
    button: 'Open the service',
    closing: YOU_OWN_IT,
  },
  'erasure-ahead': {
    subject: 'The data of {{ tenant }} will be erased {{ date }}',
    heading: 'The data of {{ tenant }} will be erased',
    paragraphs: [
      'All data of {{ tenant }} is erased {{ date }}. It cannot be brought back after that.',
      'To keep it, answer to this mail at once.',
    ],
    button: 'Open the service',
    closing: YOU_OWN_IT,
  },
};
