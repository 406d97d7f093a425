import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { EmailDirectory, emailKey } from '../auth/index.js';
import { Mailer, MailLinks } from '../mail/index.js';

/** The link of a sign-up. */
export interface SignupLink {
  slug: string;
  token: string;
  expiresAt: Date;
}

/** Links to be sent in one mail. */
export interface SignupLetter {
  email: string;
  links: SignupLink[];
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
    const [only, ...others] = found?.links ?? [];
    if (!found || !only) return;
    const to = { address: found.email };
    if (others.length > 0) return this.sendAll(to, found.links);
    const { slug, token, expiresAt } = only;
    const known = await this.directory.tenantsOf(emailKey(found.email));
    const data = { slug, expires: expiresAt.toUTCString() };
    const links = { action: this.links.platformLink('/signup/confirm', { token }) };
    if (known.length === 0) return this.mailer.sendAsPlatform({ template: 'signup', to, data, links });
    const tenants = known.map((tenant) => ({ name: tenant.name, url: this.links.linkFor(tenant, '/') }));
    this.mailer.sendAsPlatform({ template: 'signup-known', to, data: { ...data, tenants }, links });
  }

  /** By their slugs alone: the rest is free text of whoever signed up, and nothing to be mailed to somebody else. */
  private sendAll(to: { address: string }, links: SignupLink[]): void {
    const tenants = links.map(({ slug, token }) => ({
      name: slug,
      url: this.links.platformLink('/signup/confirm', { token }),
    }));
    this.mailer.sendAsPlatform({ template: 'signups', to, data: { tenants }, links: {} });
  }
}
