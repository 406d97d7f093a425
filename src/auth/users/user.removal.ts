import { Injectable } from '@nestjs/common';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { EmailDirectory } from '../account/email.directory.js';
import { type MessagesOfTheDeleted, PersonalData } from '../account/personal-data.js';
import { DELETED_USER_MESSAGES } from '../auth.settings.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { User } from './user.entity.js';
import { UserStates } from './user-states.js';

/** What goes when a person goes, whether they leave or are sent away. */
@Injectable()
export class UserRemoval {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    private readonly personal: PersonalData,
    private readonly settings: TenantSettings,
    private readonly states: UserStates,
    private readonly directory: EmailDirectory,
  ) {}

  /**
   * Devices, tokens, second factors and invitations go; what they wrote goes or stays without them by the tenant's
   * setting, and no credential of theirs opens it any more. API keys they made stay, being the tenant's. Call it in a
   * transaction that holds the user's row.
   *
   * @returns what became of their messages
   */
  async remove({ id, emailKey }: Pick<User, 'id' | 'emailKey'>): Promise<MessagesOfTheDeleted> {
    const messages = this.settings.get(DELETED_USER_MESSAGES);
    for (const section of this.personal.sections()) await section.forget?.(id, messages);
    await this.invitations.delete({ emailKey });
    await this.users.delete({ id });
    await this.states.changed(id);
    await this.directory.changed(emailKey);
    return messages;
  }
}
