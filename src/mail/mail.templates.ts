import type { MailLink } from './mail.links.js';
import { ACCOUNT_MAILS, type AccountMails } from './templates/account.mails.js';
import { ADMINISTRATION_MAILS, type AdministrationMails } from './templates/administration.mails.js';
import { JOINING_MAILS, type JoiningMails } from './templates/joining.mails.js';
import { LIFECYCLE_MAILS, type LifecycleMails } from './templates/lifecycle.mails.js';
import type { MailText } from './templates/mail.text.js';

/** What each mail is told. Texts are plain; they are escaped where they are put into HTML. Times are for reading. */
export interface MailData extends JoiningMails, AccountMails, LifecycleMails, AdministrationMails {}

export type MailTemplate = keyof MailData;

/** The links each mail needs. `action` is its button. */
export type MailLinksOf<T extends MailTemplate> = T extends 'which-tenants' | 'signups'
  ? { action?: undefined }
  : { action: MailLink };

export const MAIL_TEMPLATES: Record<MailTemplate, MailText> = {
  ...JOINING_MAILS,
  ...ACCOUNT_MAILS,
  ...LIFECYCLE_MAILS,
  ...ADMINISTRATION_MAILS,
};

/** What the platform tells those who look after a tenant: it goes by the platform's server, whatever the tenant's own does. */
export const OF_THE_PLATFORM: ReadonlySet<string> = new Set<string>([
  ...Object.keys(LIFECYCLE_MAILS),
  ...Object.keys(ADMINISTRATION_MAILS),
  'welcome-invitation',
  'signup-known',
]);
