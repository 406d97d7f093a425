export { isMailAddress, type MailRecipient } from './mail.address.js';
export { type MailLink, MailLinks } from './mail.links.js';
export { MailModule } from './mail.module.js';
export { SANDBOX_RECIPIENTS } from './mail.settings.js';
export type { MailData, MailLinksOf, MailTemplate } from './mail.templates.js';
export { Mailer, type MailRequest } from './mailer.service.js';
export { WrittenMails } from './written.mails.js';
