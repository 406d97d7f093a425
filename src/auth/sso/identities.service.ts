import { Injectable } from '@nestjs/common';
import { Not } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { isUuid } from '../../common/index.js';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { CredentialInvalid } from '../auth.errors.js';
import { DirectoryPasswords } from '../directory/directory.passwords.js';
import { Grants } from '../roles/grants.js';
import { UnknownUser } from '../users/user.errors.js';
import { USER_WRITE } from '../users/user.permissions.js';
import { User } from '../users/user.entity.js';
import { ExternalIdentity } from './external-identity.entity.js';
import { LastWayToSignIn, UnknownIdentity } from './sso.errors.js';
import { SSO_ISSUER } from './sso.settings.js';

/** Whom people of the current tenant are linked to at its providers. */
@Injectable()
export class IdentitiesService {
  constructor(
    @InjectTenantRepository(ExternalIdentity) private readonly identities: TenantRepository<ExternalIdentity>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly grants: Grants,
    private readonly directory: DirectoryPasswords,
    private readonly settings: TenantSettings,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  /** Of a person who is there: one for each provider that the tenant ever had, at most. @throws UnknownUser */
  async list(userId: string): Promise<ExternalIdentity[]> {
    if (!isUuid(userId) || !(await this.users.exists({ id: userId }))) throw new UnknownUser();
    return this.identities.find({ where: { userId }, order: { id: 'ASC' } });
  }

  /** By the person themselves, who needs another way to sign in. @throws UnknownIdentity, LastWayToSignIn */
  async unlinkOwn(userId: string, id: string): Promise<void> {
    await this.transaction.run(async () => {
      // Locked, so that of two at once the second sees what the first has left.
      const user = await this.users.findOne({ where: { id: userId }, lock: { mode: 'pessimistic_write' } });
      if (!user) throw new CredentialInvalid();
      const identity = await this.find(userId, id);
      if (!(await this.canSignInWithout(user, identity))) throw new LastWayToSignIn();
      await this.unlink(identity);
    });
  }

  /** By somebody who holds as much. @throws UnknownUser, UnknownIdentity, GrantRefused */
  async unlinkOf(principal: TenantPrincipal, userId: string, id: string): Promise<void> {
    await this.transaction.run(async () => {
      const reach = await this.grants.begin(principal, USER_WRITE, { users: isUuid(userId) ? [userId] : [] });
      const user = reach.user(userId);
      if (!user) throw new UnknownUser();
      reach.demandOver(user.role);
      await this.unlink(await this.find(userId, id));
    });
  }

  private async find(userId: string, id: string): Promise<ExternalIdentity> {
    const identity = isUuid(id) ? await this.identities.findOneBy({ id, userId }) : null;
    if (!identity) throw new UnknownIdentity();
    return identity;
  }

  private async canSignInWithout(user: User, { id }: ExternalIdentity): Promise<boolean> {
    if (user.passwordHash !== null || this.directory.checks(user)) return true;
    return this.identities.exists({ userId: user.id, issuer: this.settings.get(SSO_ISSUER), id: Not(id) });
  }

  private async unlink({ id, userId, issuer }: ExternalIdentity): Promise<void> {
    await this.identities.delete({ id });
    await this.audit.record({
      event: 'external-identity.unlinked',
      target: { kind: 'user', id: userId },
      details: { issuer },
    });
  }
}
