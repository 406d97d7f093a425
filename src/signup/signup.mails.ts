import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { EmailDirectory, emailKey } from '../auth/index.js';
import { Mailer, MailLinks } from '../mail/index.js';

/** A link to be sent. */
export interface SignupLetter {
  email: string;
  slug: string;
  token: string;
  expiresAt: Date;
}

/**
 * Sends the links, after the answer: whoever asked learns from neither its bytes nor its time whether the address is
 * known. What is lost with the process can be asked for again.
 */
@Injectable()
export class SignupMails implements BeforeApplicationShutdown {
  private readonly logger = new Logger('SignUp');
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly directory: EmailDirectory,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /** @param letter what to send, if anything; worked out after the answer as well */
  later(letter: () => Promise<SignupLetter | undefined>): void {
    const work = this.send(letter)
      .catch((error: unknown) => this.logger.error({ err: error }, 'The mail of a sign-up could not be sent'))
      .finally(() => this.running.delete(work));
    this.running.add(work);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.running);
  }

  private async send(letter: () => Promise<SignupLetter | undefined>): Promise<void> {
    const found = await letter();
    if (!found) return;
    const { email, slug, token, expiresAt } = found;
    const known = await this.directory.tenantsOf(emailKey(email));
    const to = { address: email };
    const data = { slug, expires: expiresAt.toUTCString() };
    const links = { action: this.links.platformLink('/signup/confirm', { token }) };
    if (known.length === 0) return this.mailer.sendAsPlatform({ template: 'signup', to, data, links });
    const tenants = known.map((tenant) => ({ name: tenant.name, url: this.links.linkFor(tenant, '/') }));
    this.mailer.sendAsPlatform({ template: 'signup-known', to, data: { ...data, tenants }, links });
  }
}
