import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { isUuid } from '../../common/index.js';
import { changedFieldValues, type GivenFields, newFieldValues, USER_FIELDS } from '../../fields/index.js';
import { TenantSettings } from '../../settings/index.js';
import { InjectTenantRepository, type TenantRepository, TenantTransaction } from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { EmailDirectory } from '../account/email.directory.js';
import { MemberMails } from '../account/member-mails.js';
import { Grants, type Reach } from '../roles/grants.js';
import { SignOutService } from '../sign-in/sign-out.service.js';
import { isDuplicateOf } from './duplicates.js';
import { EmailChange } from './email-change.service.js';
import { emailKey } from './email-key.js';
import { newUser } from './new.user.js';
import { EmailTaken, UnknownUser } from './user.errors.js';
import { User } from './user.entity.js';
import { UserLinks } from './user.links.js';
import { UserRemoval } from './user.removal.js';
import { USER_DELETE, USER_WRITE } from './user.permissions.js';
import { UserStates } from './user-states.js';

export interface UserChanges {
  name?: string;
  role?: string;
  status?: User['status'];
  email?: string;
  /** By name; null takes a value away. */
  customFields?: GivenFields | undefined;
}

/** What is known of a person who is added. */
type Given = Pick<User, 'email' | 'name' | 'role'> & { customFields?: GivenFields | undefined };

/** Adds, changes and removes the people of the current tenant, within what the caller holds. */
@Injectable()
export class UsersService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly grants: Grants,
    private readonly signOuts: SignOutService,
    private readonly states: UserStates,
    private readonly links: UserLinks,
    private readonly emails: EmailChange,
    private readonly mails: MemberMails,
    private readonly removal: UserRemoval,
    private readonly directory: EmailDirectory,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly settings: TenantSettings,
  ) {}

  /**
   * Adds a person, who is sent a link to set a password.
   *
   * @throws ValidationFailed for an unknown role; InvalidCustomField, GrantRefused, EmailTaken
   */
  async create(principal: TenantPrincipal, given: Given): Promise<User> {
    const customFields = await newFieldValues(this.settings.get(USER_FIELDS), given.customFields ?? {});
    return this.refusingDuplicates(async () => {
      const reach = await this.grants.begin(principal, USER_WRITE, { roles: [given.role] });
      reach.demandUnbounded();
      reach.demandToGrant(given.role);
      await this.mails.count(emailKey(given.email));
      const [user] = (await this.users.insert(newUser({ ...given, customFields }))) as [User];
      await this.states.changed(user.id);
      await this.directory.changed(user.emailKey);
      await this.links.welcome(user, principal.name);
      await this.record('user.created', user.id, undefined, contentOf(user));
      return user;
    });
  }

  /** @throws UnknownUser, ValidationFailed for an unknown role; InvalidCustomField, GrantRefused, LastOwner, EmailTaken */
  async change(principal: TenantPrincipal, id: string, changes: UserChanges): Promise<User> {
    return this.refusingDuplicates(async () => {
      const roles = changes.role == null ? [] : [changes.role];
      const reach = await this.grants.begin(principal, USER_WRITE, { users: uuids(id), owners: true, roles });
      const user = this.reached(reach, id);
      const changed = { ...differing(user, changes), ...(await this.changedFields(user, changes)) };
      if (changed.role !== undefined || changed.status === 'active' || changes.email != null) reach.demandUnbounded();
      if (changed.role !== undefined) reach.demandToGrant(changed.role);
      const address = changes.email == null ? undefined : await this.emails.ask(user, changes.email, principal);
      if (!address && Object.keys(changed).length === 0) return user;
      const after = { ...user, ...changed, ...address, updatedAt: new Date() };
      if (after.role !== 'owner' || after.status !== 'active') reach.keepAnOwner(user);
      await this.users.update({ id }, { ...changed, updatedAt: after.updatedAt });
      await this.states.changed(id);
      if (changed.status === 'disabled') await this.signOuts.signOutEverywhere(id);
      await this.record('user.changed', id, contentOf(user), contentOf(after));
      return after;
    });
  }

  /** @throws UnknownUser, GrantRefused, LastOwner */
  async remove(principal: TenantPrincipal, id: string): Promise<void> {
    await this.transaction.run(async () => {
      const reach = await this.grants.begin(principal, USER_DELETE, { users: uuids(id), owners: true });
      const user = this.reached(reach, id);
      reach.keepAnOwner(user);
      await this.removal.remove(user);
      await this.record('user.deleted', id, contentOf(user), undefined);
    });
  }

  private async changedFields(user: User, { customFields }: UserChanges): Promise<Partial<Pick<User, 'customFields'>>> {
    if (customFields == null) return {};
    const values = await changedFieldValues(this.settings.get(USER_FIELDS), user.customFields, customFields);
    return isDeepStrictEqual(values, user.customFields) ? {} : { customFields: values };
  }

  private reached(reach: Reach, id: string): User {
    const user = reach.user(id);
    if (!user) throw new UnknownUser();
    reach.demandOver(user.role);
    return user;
  }

  private async refusingDuplicates<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.transaction.run(work);
    } catch (error) {
      throw isDuplicateOf('users_email_key', error) ? new EmailTaken() : error;
    }
  }

  private record(event: string, id: string, before: unknown, after: unknown): Promise<void> {
    return this.audit.record({ event, target: { kind: 'user', id }, before, after });
  }
}

/** A malformed id is nobody's, and must not reach a uuid column. */
function uuids(id: string): string[] {
  return isUuid(id) ? [id] : [];
}

function differing(user: User, { name, role, status }: UserChanges): Partial<User> {
  const wanted: Partial<User> = {
    name: name?.trim() ?? user.name,
    role: role ?? user.role,
    status: status ?? user.status,
  };
  const entries = Object.entries(wanted) as [keyof User, never][];
  return Object.fromEntries(entries.filter(([field, value]) => user[field] !== value));
}

function contentOf({ email, pendingEmail, name, role, status, customFields }: User) {
  return { email, pending_email: pendingEmail, name, role, status, custom_fields: customFields };
}
