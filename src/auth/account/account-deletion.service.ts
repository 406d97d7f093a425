import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository, TenantRunner, TenantTransaction } from '../../tenancy/index.js';
import { CredentialInvalid } from '../auth.errors.js';
import { DELETED_USER_MESSAGES } from '../auth.settings.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { PasswordCheck } from '../sign-in/password.check.js';
import { LastOwner } from '../users/user.errors.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { PersonalData } from './personal-data.js';
import { OwnPasswordWrong } from './personal-data.errors.js';
import { EmailDirectory } from './email.directory.js';

@Injectable()
export class AccountDeletion {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    private readonly passwords: PasswordCheck,
    private readonly states: UserStates,
    private readonly personal: PersonalData,
    private readonly settings: TenantSettings,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly directory: EmailDirectory,
  ) {}

  /**
   * Deletes a user at their own wish: devices, tokens and second factors go, what they wrote goes or stays without them
   * by the tenant's setting. API keys they made stay, being the tenant's.
   *
   * @throws OwnPasswordWrong, LastOwner, TooManyAttempts, SignInBusy
   */
  async delete(userId: string, password: string): Promise<void> {
    await this.confirm(userId, password);
    // The log keeps that it happened and to which id, not the name.
    this.runner.identify({ kind: 'user', id: userId });
    const messages = this.settings.get(DELETED_USER_MESSAGES);
    await this.transaction.run(async () => {
      // All owners in one order, so that of two who leave at once the second sees that the first is gone.
      const owners = await this.users.find({
        where: { role: 'owner', status: 'active' },
        order: { id: 'ASC' },
        lock: { mode: 'pessimistic_write' },
      });
      const user = await this.users.findOne({ where: { id: userId }, lock: { mode: 'pessimistic_write' } });
      if (!user) throw new CredentialInvalid();
      if (user.role === 'owner' && !owners.some(({ id }) => id !== userId)) throw new LastOwner();
      for (const section of this.personal.sections()) await section.forget?.(userId, messages);
      await this.invitations.delete({ emailKey: user.emailKey });
      await this.users.delete({ id: userId });
      await this.states.changed(userId);
      await this.directory.changed(user.emailKey);
      await this.audit.record({ event: 'user.deleted', target: { kind: 'user', id: userId }, details: { messages } });
    });
  }

  /** A stolen access token must neither suffice nor be a way to guess the password faster than by signing in. */
  private async confirm(userId: string, password: string): Promise<void> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new CredentialInvalid();
    if (!(await this.passwords.isRight(user.emailKey, user, password))) throw new OwnPasswordWrong();
  }
}
