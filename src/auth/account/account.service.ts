import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { CredentialInvalid } from '../auth.errors.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { EmailChange } from '../users/email-change.service.js';
import { EmailVerifiedAlready, PasswordNeeded } from './account.errors.js';
import { MailedTokens } from './mailed.tokens.js';
import { PasswordProof } from './password.proof.js';

export interface Profile {
  email: string;
  email_verified: boolean;
  pending_email: string | null;
  mfa_enabled: boolean;
}

/** What a person says of themselves: name and e-mail address. */
@Injectable()
export class AccountService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly tokens: MailedTokens,
    private readonly proof: PasswordProof,
    private readonly emails: EmailChange,
    private readonly states: UserStates,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly audit: TenantAudit,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /** @param name as it is to be shown, without surrounding blanks */
  async rename(userId: string, name: string): Promise<void> {
    await this.transaction.run(async () => {
      const user = await this.owned(userId);
      if (user.name === name) return;
      await this.users.update({ id: userId }, { name, updatedAt: new Date() });
      await this.states.changed(userId);
      await this.audit.record({
        event: 'user.renamed',
        target: { kind: 'user', id: userId },
        before: { name: user.name },
        after: { name },
      });
    });
  }

  /** Mails a link to the user's own address. @throws EmailVerifiedAlready, TooManyMails */
  async sendVerification(userId: string): Promise<void> {
    const tenant = this.context.currentOrThrow('A verification');
    await this.transaction.run(async () => {
      const user = await this.owned(userId);
      if (user.emailVerifiedAt) throw new EmailVerifiedAlready();
      const { token, expiresAt } = await this.tokens.issue('verify-email', user);
      await this.audit.record({ event: 'user.email-verification-requested', target: { kind: 'user', id: userId } });
      await this.mailer.send({
        template: 'verify-email',
        to: { address: user.email, name: user.name },
        data: { expires: expiresAt.toUTCString() },
        links: { action: this.links.linkFor(tenant, '/verify-email', { token }) },
      });
    });
  }

  /** What people see of themselves beyond what every request knows. @throws CredentialInvalid */
  async profile(userId: string): Promise<Profile> {
    const user = await this.owned(userId);
    return {
      email: user.email,
      email_verified: user.emailVerifiedAt !== null,
      pending_email: user.pendingEmail,
      mfa_enabled: user.mfaEnabledAt !== null,
    };
  }

  /**
   * Asks for another e-mail address, which takes the place of the present one once it is verified.
   *
   * @throws PasswordRefused, EmailTaken, TooManyMails, AppError 429 too_many_attempts, 503
   */
  async changeEmail(person: TenantPrincipal, email: string, password: string): Promise<void> {
    await this.proof.demand(person.id, password);
    await this.transaction.run(async () => {
      const user = await this.users.findOne({ where: { id: person.id }, lock: { mode: 'pessimistic_write' } });
      if (!user) throw new CredentialInvalid();
      const changed = await this.emails.ask(user, email, person);
      if (!changed) return;
      await this.audit.record({
        event: 'user.email-change-requested',
        target: { kind: 'user', id: user.id },
        before: { email: user.email, pending_email: user.pendingEmail },
        after: { email: changed.email, pending_email: changed.pendingEmail },
      });
    });
  }

  /**
   * Verifies the address that a link was sent to. One that somebody else asked for becomes a person's address only with
   * their password: who reads the new mailbox may be who asked for it.
   *
   * @throws LinkInvalid, EmailTaken, PasswordNeeded, PasswordRefused, AppError 429 too_many_attempts
   */
  async verifyEmail(token: string, password?: string): Promise<void> {
    const link = await this.tokens.find('verify-email', token);
    const { user } = link;
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    if (link.email === user.pendingEmail) {
      if (user.pendingEmailBy !== user.id && user.passwordHash !== null) {
        if (password === undefined) throw new PasswordNeeded();
        await this.proof.demand(user.id, password);
      }
      return this.emails.complete(link);
    }
    await this.transaction.run(async () => {
      await this.tokens.redeem(link);
      // By the address as well: it may have been changed since it was read.
      await this.users.update({ id: user.id, email: user.email }, { emailVerifiedAt: new Date() });
      await this.audit.record({
        event: 'user.email-verified',
        target: { kind: 'user', id: user.id },
        details: { email: user.email },
      });
    });
  }

  private async owned(userId: string): Promise<User> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new CredentialInvalid();
    return user;
  }
}
