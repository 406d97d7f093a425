import { Injectable } from '@nestjs/common';
import { newId } from '../../common/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import { CredentialCodec, InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { UserToken } from './user-token.entity.js';
import type { User } from './user.entity.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** As long as an invitation: who was added did not ask for it and may read it late. */
const WELCOME_MS = 7 * DAY_MS;
const VERIFY_MS = DAY_MS;

type Person = Pick<User, 'id' | 'email' | 'name' | 'role'>;

/** Single-use links by which a person answers a mail. Call inside the transaction of what they are about. */
@Injectable()
export class UserLinks {
  constructor(
    @InjectTenantRepository(UserToken) private readonly tokens: TenantRepository<UserToken>,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * The words of an invitation, since the person asked for nothing; the link sets a password, since the account is
   * there already.
   *
   * @param inviter as the mail calls them
   */
  async welcome(user: Person, inviter: string): Promise<void> {
    const { token, expires } = await this.mint(user, 'reset-password', WELCOME_MS);
    await this.mailer.send({
      template: 'invitation',
      to: { address: user.email, name: user.name },
      data: { inviter, role: user.role, expires },
      links: { action: this.links.linkFor(this.tenant(), '/reset-password', { token }) },
    });
  }

  /** Asks the present address for a proof, and tells the one before. Links sent to that one are void from now on. */
  async addressChanged(user: Person, before: string): Promise<void> {
    for (const purpose of ['reset-password', 'verify-email'] as const) {
      await this.tokens.delete({ userId: user.id, purpose });
    }
    const { token, expires } = await this.mint(user, 'verify-email', VERIFY_MS);
    await this.mailer.send({
      template: 'verify-email',
      to: { address: user.email, name: user.name },
      data: { expires },
      links: { action: this.links.linkFor(this.tenant(), '/verify-email', { token }) },
    });
    await this.mailer.send({
      template: 'email-changed',
      to: { address: before, name: user.name },
      data: { new_email: user.email, when: new Date().toUTCString() },
      links: { action: this.links.linkFor(this.tenant(), '/account') },
    });
  }

  private async mint(user: Person, purpose: 'reset-password' | 'verify-email', lifeMs: number) {
    const id = newId();
    const now = Date.now();
    const token = this.credentials.mint(purpose, this.tenant().id, id);
    const expiresAt = new Date(now + lifeMs);
    await this.tokens.insert({
      id,
      userId: user.id,
      purpose,
      tokenHash: this.credentials.hash(token),
      email: user.email,
      attempts: 0,
      createdAt: new Date(now),
      expiresAt,
    });
    return { token, expires: expiresAt.toUTCString() };
  }

  private tenant() {
    return this.context.currentOrThrow('A link');
  }
}
