import type { EnvReader, Variable } from '../env.reader.js';
import { isSmtpUrl, mailHost, parseSender } from '../mail.js';

/** How mail leaves. */
export interface MailEnv {
  /** Unset: mails are written to files under DATA_DIR/mail. */
  smtpUrl: string | undefined;
  mailFrom: { name: string; address: string };
}

export const MAIL_VARIABLES: readonly Variable[] = [
  {
    name: 'SMTP_URL',
    example: '',
    allowed: 'smtp://[user:password@]host[:port] or smtps://…, special characters percent-encoded',
    about: 'where mail is handed over, always under TLS except on loopback; unset: files under DATA_DIR/mail',
  },
  {
    name: 'MAIL_FROM',
    example: '',
    allowed: 'an address such as no-reply@example.com, or Name <no-reply@example.com>',
    about: 'the sender of mail; default Tenantry <no-reply@(host of PUBLIC_URL)>',
  },
];

export function readMail(from: EnvReader, { publicUrl }: { publicUrl: string }): MailEnv {
  const smtpUrl = from.url('SMTP_URL', ['smtp:', 'smtps:']);
  if (smtpUrl && !isSmtpUrl(smtpUrl)) from.wrong('SMTP_URL');
  const mailFrom = parseSender(from.text('MAIL_FROM') ?? `Tenantry <no-reply@${mailHost(publicUrl)}>`);
  if (!mailFrom) from.wrong('MAIL_FROM');
  return { smtpUrl, mailFrom: mailFrom ?? { name: '', address: '' } };
}
