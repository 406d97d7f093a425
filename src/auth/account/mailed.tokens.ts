import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { AuditService } from '../../audit/index.js';
import { newId } from '../../common/index.js';
import { CredentialCodec, InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';
import { UserToken } from '../users/user-token.entity.js';
import { LinkInvalid, TooManyMails } from './account.errors.js';

/** What a link in a mail is for, and how long it is good, in ms. */
const LIFE_MS = { 'reset-password': 60 * 60 * 1000, 'verify-email': 24 * 60 * 60 * 1000 } as const;
export type MailedPurpose = keyof typeof LIFE_MS;

const MAILS = 3;
const WINDOW_MS = 15 * 60 * 1000;

/** A link that was found good and is not used up yet. */
export interface FoundLink {
  id: string;
  user: User;
  /** The address it was sent to. */
  email: string;
}

/** Credentials that reach their user by mail: whoever brings one back reads that mailbox. */
@Injectable()
export class MailedTokens {
  constructor(
    @InjectTenantRepository(UserToken) private readonly tokens: TenantRepository<UserToken>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly security: AuditService,
  ) {}

  /**
   * Makes a token and voids those before it. Call it inside a unit of work, together with the mail.
   *
   * @throws TooManyMails past three in 15 minutes for this user and purpose
   */
  async issue(purpose: MailedPurpose, user: User): Promise<{ token: string; expiresAt: Date }> {
    // One at a time per user: of two at once, neither would void the other, and both would be counted as the first.
    await this.users.findOne({ where: { id: user.id }, lock: { mode: 'pessimistic_write' } });
    const now = new Date();
    const recent = { userId: user.id, purpose, createdAt: MoreThan(new Date(now.getTime() - WINDOW_MS)) };
    if ((await this.tokens.count({ where: recent })) >= MAILS) throw new TooManyMails(WINDOW_MS / 1000);
    // Kept until they are purged, because they are what is counted.
    await this.tokens.update({ userId: user.id, purpose, expiresAt: MoreThan(now) }, { expiresAt: now });
    return this.mint(purpose, user);
  }

  /** Makes a token beside those there are, uncounted. Call it inside a unit of work. @param lifeMs how long it is good */
  async mint(
    purpose: MailedPurpose,
    { id: userId, email }: Pick<User, 'id' | 'email'>,
    lifeMs: number = LIFE_MS[purpose],
  ): Promise<{ token: string; expiresAt: Date }> {
    const id = newId();
    const createdAt = new Date();
    const token = this.credentials.mint(purpose, this.context.currentOrThrow('A link in a mail').id, id);
    const expiresAt = new Date(createdAt.getTime() + lifeMs);
    const tokenHash = this.credentials.hash(token);
    await this.tokens.insert({ id, userId, purpose, tokenHash, email, attempts: 0, createdAt, expiresAt });
    return { token, expiresAt };
  }

  /** Looks at a token without using it up. @throws LinkInvalid */
  async find(purpose: MailedPurpose, token: string): Promise<FoundLink> {
    const tenant = this.context.currentOrThrow('A link in a mail');
    const opened = this.credentials.open(purpose, token);
    if (!opened) throw new LinkInvalid();
    if (opened.tenantId !== tenant.id) {
      this.security.record({
        event: 'cross_tenant_access_attempt',
        tenantId: opened.tenantId,
        address: this.context.address(),
        details: { target: tenant.slug, route: `/api/auth/${purpose}`, method: 'POST' },
      });
      throw new LinkInvalid();
    }
    const good = {
      id: opened.subjectId,
      purpose,
      tokenHash: this.credentials.hash(token),
      expiresAt: MoreThan(new Date()),
    };
    const found = await this.tokens.findOneBy(good);
    const user = found && (await this.users.findOneBy({ id: found.userId, status: 'active' }));
    const email = found?.email;
    // It proved who reads that mailbox; once that is neither the address nor to be it, it proves nothing any more.
    const awaited = email === user?.email || (purpose === 'verify-email' && email === user?.pendingEmail);
    if (!found || !user || typeof email !== 'string' || !awaited) throw new LinkInvalid();
    return { id: found.id, user, email };
  }

  /** Uses a token up, in the unit of work of what it allows. @throws LinkInvalid when that was done meanwhile */
  async redeem(link: FoundLink): Promise<void> {
    const good = { id: link.id, expiresAt: MoreThan(new Date()) };
    if ((await this.tokens.delete(good)) !== 1) throw new LinkInvalid();
  }

  /** Once the password is another one: what was begun under the old one, or to replace it, must lead nowhere. */
  async voidAllOf(userId: string): Promise<void> {
    await this.tokens.delete({ userId, purpose: 'mfa' });
    await this.tokens.delete({ userId, purpose: 'reset-password' });
  }
}
