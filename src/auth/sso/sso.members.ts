import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { newId } from '../../common/index.js';
import { isMailAddress } from '../../mail/index.js';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository, TenantRunner, TenantTransaction } from '../../tenancy/index.js';
import { EmailDirectory } from '../account/email.directory.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { emailKey } from '../users/email-key.js';
import { newUser } from '../users/new.user.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { ExternalIdentity } from './external-identity.entity.js';
import { SsoRefused } from './sso.errors.js';
import type { ProviderIdentity } from './sso.provider.js';
import { SSO_DOMAINS, SSO_PROVISION } from './sso.settings.js';

const ROLE = 'member';
/** What two sign-ins of one new person at once run into; the second finds what the first made. */
const MADE_MEANWHILE = ['users_email_key', 'external_identities_subject', 'external_identities_of_user'];

/** Which user of the current tenant somebody is whom its provider vouches for. */
@Injectable()
export class SsoMembers {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(ExternalIdentity) private readonly identities: TenantRepository<ExternalIdentity>,
    private readonly settings: TenantSettings,
    private readonly states: UserStates,
    private readonly directory: EmailDirectory,
    private readonly transaction: TenantTransaction,
    private readonly runner: TenantRunner,
    private readonly audit: TenantAudit,
  ) {}

  /**
   * By the link made before; the first time by the address, which makes the link. Later the address does not count: at the
   * provider it may have become somebody else's.
   *
   * @throws SsoRefused
   */
  async find(identity: ProviderIdentity): Promise<User> {
    const look = () => this.transaction.run(() => this.known(identity));
    try {
      return await look();
    } catch (error) {
      if (!MADE_MEANWHILE.some((constraint) => isDuplicateOf(constraint, error))) throw error;
      return look();
    }
  }

  private async known(identity: ProviderIdentity): Promise<User> {
    const { issuer, subject } = identity;
    const link = await this.identities.findOneBy({ issuer, subject });
    const user = link ? await this.users.findOneBy({ id: link.userId }) : await this.first(identity);
    if (!user) throw new SsoRefused('unknown person');
    if (user.status !== 'active') throw new SsoRefused('disabled person');
    return user;
  }

  private async first(identity: ProviderIdentity): Promise<User> {
    const { email, emailVerified, issuer } = identity;
    if (email === undefined || !emailVerified || !isMailAddress(email)) {
      throw new SsoRefused('address not verified by the provider');
    }
    const user = await this.users.findOne({
      where: { emailKey: emailKey(email) },
      lock: { mode: 'pessimistic_write' },
    });
    if (!user) return this.provision(identity, email);
    if (user.status !== 'active') throw new SsoRefused('disabled person');
    // Whoever set that password never showed that the mailbox is theirs, and would share the account with its owner.
    if (!user.emailVerifiedAt && user.passwordHash !== null) throw new SsoRefused('address not verified here');
    if (await this.identities.exists({ userId: user.id, issuer })) {
      throw new SsoRefused('linked to another account of the provider');
    }
    this.runner.identify({ kind: 'user', id: user.id, name: user.name });
    if (!user.emailVerifiedAt) {
      user.emailVerifiedAt = new Date();
      await this.users.update({ id: user.id }, { emailVerifiedAt: user.emailVerifiedAt });
    }
    await this.link(user, identity);
    return user;
  }

  private async provision(identity: ProviderIdentity, email: string): Promise<User> {
    const domain = emailKey(email).split('@').at(-1) ?? '';
    if (!this.settings.get(SSO_PROVISION) || !this.settings.get(SSO_DOMAINS).includes(domain)) {
      throw new SsoRefused('unknown person');
    }
    const row = newUser({ email, name: nameOf(identity, email), role: ROLE, emailVerifiedAt: new Date() });
    this.runner.identify({ kind: 'user', id: row.id, name: row.name });
    const [user] = (await this.users.insert(row)) as [User];
    await this.states.changed(user.id);
    await this.directory.changed(user.emailKey);
    await this.audit.record({
      event: 'user.created',
      target: { kind: 'user', id: user.id },
      after: { email: user.email, name: user.name, role: user.role },
      details: { by: 'sso', issuer: identity.issuer },
    });
    await this.link(user, identity);
    return user;
  }

  private async link({ id: userId }: User, { issuer, subject }: ProviderIdentity): Promise<void> {
    await this.identities.insert({ id: newId(), userId, issuer, subject, linkedAt: new Date() });
    await this.audit.record({
      event: 'external-identity.linked',
      target: { kind: 'user', id: userId },
      details: { issuer },
    });
  }
}

/** In one line, as names are here, whatever the provider calls them. */
function nameOf({ name }: ProviderIdentity, email: string): string {
  const line = (name ?? '')
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .toWellFormed()
    .trim();
  const [local = email] = email.split('@');
  return [...(line === '' ? local : line)].slice(0, 50).join('');
}
