import { Injectable, type OnModuleInit } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { ValidationFailed } from '../../common/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import { Outbox, OutboxHandlers } from '../../outbox/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { checkPassword } from '../passwords/password.policy.js';
import { SignOutService } from '../sign-in/sign-out.service.js';
import { emailKey } from '../users/email-key.js';
import { User } from '../users/user.entity.js';
import { PasswordRefused, TooManyMails } from './account.errors.js';
import { MailedTokens } from './mailed.tokens.js';
import { PasswordProof } from './password.proof.js';

const RESET_REQUESTED = 'password-reset.requested';

interface ResetRequest {
  email_key: string;
  address: string | undefined;
}

/** Setting a new password: by the old one, or by a mail. */
@Injectable()
export class PasswordsService implements OnModuleInit {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly proof: PasswordProof,
    private readonly hasher: PasswordHasher,
    private readonly tokens: MailedTokens,
    private readonly signOuts: SignOutService,
    private readonly known: KnownAddresses,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly outbox: Outbox,
    private readonly handlers: OutboxHandlers,
    private readonly audit: TenantAudit,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  onModuleInit(): void {
    this.handlers.register(RESET_REQUESTED, ({ payload }) => this.sendResetLink(payload as ResetRequest));
  }

  /**
   * Changes the password of a signed-in user and signs out every device but this one.
   *
   * @param left aborted when nobody waits for the answer any more
   * @throws PasswordRefused, ValidationFailed, TooManyAttempts, SignInBusy
   */
  async change(
    { id, deviceId }: Pick<TenantPrincipal, 'id' | 'deviceId'>,
    current: string,
    next: string,
    left?: AbortSignal,
  ): Promise<void> {
    const user = await this.proof.demand(id, current, left);
    this.demandGood(next, user);
    const passwordHash = await this.hasher.hash(next, left);
    await this.transaction.run(async () => {
      // Not after a reset that came in between: the password that was shown is then not the current one any more.
      const shown = { id: user.id, passwordHash: user.passwordHash ?? IsNull() };
      if ((await this.users.update(shown, { passwordHash, updatedAt: new Date() })) !== 1) throw new PasswordRefused();
      await this.afterChange(user, 'user.password-changed', deviceId);
    });
  }

  /**
   * Takes a request for a reset link. The work is the same for known and unknown addresses, one row in the outbox;
   * whether anybody is behind it is looked up after the answer.
   */
  async forgot(email: string): Promise<void> {
    const request: ResetRequest = { email_key: emailKey(email), address: this.context.address() };
    await this.outbox.add(RESET_REQUESTED, request);
  }

  /**
   * Sets a new password by the token of a mail, and signs out everywhere. The second factor stays as it is. Whoever does
   * has shown that the account is theirs, so for a day no attack on it holds them at this address.
   *
   * @param left aborted when nobody waits for the answer any more
   * @throws LinkInvalid, ValidationFailed (which leaves the token good), SignInBusy
   */
  async reset(token: string, next: string, left?: AbortSignal): Promise<void> {
    const link = await this.tokens.find('reset-password', token);
    const { user } = link;
    this.demandGood(next, user);
    const passwordHash = await this.hasher.hash(next, left);
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    await this.transaction.run(async () => {
      await this.tokens.redeem(link);
      const now = new Date();
      const emailVerifiedAt = user.emailVerifiedAt ?? now;
      await this.users.update({ id: user.id }, { passwordHash, emailVerifiedAt, updatedAt: now });
      await this.known.remember(user.id, this.context.address(), 'proven');
      await this.afterChange(user, 'user.password-reset');
    });
  }

  /** After the user's row: a sign-in under way waits for it, and then either is refused or left a device to delete. */
  private async afterChange(user: User, event: string, keptDevice?: string): Promise<void> {
    const tenant = this.context.currentOrThrow('A password');
    await this.tokens.voidAllOf(user.id);
    await this.signOuts.signOutEverywhere(user.id, keptDevice);
    await this.audit.record({ event, target: { kind: 'user', id: user.id } });
    const address = this.context.address();
    await this.mailer.send({
      template: 'password-changed',
      to: { address: user.email, name: user.name },
      data: { when: new Date().toUTCString(), ...(address && { address }) },
      links: { action: this.links.linkFor(tenant, '/account') },
    });
  }

  private async sendResetLink({ email_key, address }: ResetRequest): Promise<void> {
    const tenant = this.context.currentOrThrow('A reset link');
    const user = await this.users.findOneBy({ emailKey: email_key, status: 'active' });
    if (!user) return;
    await this.transaction
      .run(async () => {
        const { token, expiresAt } = await this.tokens.issue('reset-password', user);
        await this.audit.record({
          event: 'user.password-reset-requested',
          target: { kind: 'user', id: user.id },
          details: { from: address },
        });
        await this.mailer.send({
          template: 'reset-password',
          to: { address: user.email, name: user.name },
          data: { expires: expiresAt.toUTCString() },
          links: { action: this.links.linkFor(tenant, '/reset-password', { token }) },
        });
      })
      .catch((error: unknown) => {
        if (!(error instanceof TooManyMails)) throw error;
      });
  }

  private demandGood(password: string, user: User): void {
    const { name: tenantName } = this.context.currentOrThrow('A password');
    const errors = checkPassword(password, { email: user.email, name: user.name, tenantName }, '/new_password');
    if (errors.length > 0) throw new ValidationFailed(errors);
  }
}
