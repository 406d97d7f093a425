import { Injectable } from '@nestjs/common';
import { AuditService, TenantAudit } from '../../audit/index.js';
import { ValidationFailed } from '../../common/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { MfaChallenges } from '../mfa/mfa-challenges.js';
import { SecondFactorDemand } from '../mfa/second-factor.demand.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { checkPassword } from '../passwords/password.policy.js';
import { BoundedKeyRefused, GrantRefused } from '../roles/grant.errors.js';
import { Grants } from '../roles/grants.js';
import { type Client, SignInService, type TokenPair } from '../sign-in/sign-in.service.js';
import { EmailDirectory } from '../account/email.directory.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { newUser } from '../users/new.user.js';
import { EmailTaken } from '../users/user.errors.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { Invitation } from './invitation.entity.js';
import { InvitationRefused } from './invitation.errors.js';
import { whereStatus } from './invitation.status.js';

/** Turns an invitation into a user who is signed in. */
@Injectable()
export class InvitationAcceptance {
  constructor(
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly grants: Grants,
    private readonly hasher: PasswordHasher,
    private readonly signIns: SignInService,
    private readonly challenges: MfaChallenges,
    private readonly demand: SecondFactorDemand,
    private readonly states: UserStates,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly security: AuditService,
    private readonly directory: EmailDirectory,
  ) {}

  /**
   * Takes an invitation of the current tenant, once however often it is sent at once. Having read the mail proves the
   * address.
   *
   * @throws InvitationRefused; ValidationFailed for a password that is not taken; EmailTaken; SignInBusy
   * @throws MfaRequired when the role needs a second factor: the user is there and goes on to set it up
   */
  async accept(token: string, name: string, password: string, client: Client): Promise<TokenPair> {
    const invitation = await this.find(token, client.address);
    const { name: tenantName } = this.context.currentOrThrow('An invitation');
    const errors = checkPassword(password, { email: invitation.email, name, tenantName });
    if (errors.length > 0) throw new ValidationFailed(errors);
    // Before the transaction: it takes long, and waits its turn.
    const passwordHash = await this.hasher.hash(password, client.left);
    const user = await this.join(invitation, name, passwordHash);
    await this.challenges.demandSecondFactor(user, await this.demand.appliesTo(user.role));
    return this.signIns.open(user, client, 'invitation');
  }

  private async find(token: string, address: string | undefined): Promise<Invitation> {
    const tenant = this.context.currentOrThrow('An invitation');
    const opened = this.credentials.open('invitation', token);
    if (opened !== undefined && opened.tenantId !== tenant.id) {
      this.security.record({
        event: 'cross_tenant_access_attempt',
        tenantId: opened.tenantId,
        address,
        details: { target: tenant.slug, route: '/api/invitations/accept', method: 'POST' },
      });
      throw new InvitationRefused();
    }
    const invitation =
      opened &&
      (await this.invitations.findOneBy({
        id: opened.subjectId,
        tokenHash: this.credentials.hash(token),
        ...whereStatus('open'),
      }));
    if (!invitation) throw new InvitationRefused();
    return invitation;
  }

  private async join({ id, email, role, tokenHash, invitedBy }: Invitation, name: string, passwordHash: string) {
    try {
      return await this.transaction.run(async () => {
        await this.demandInviter(invitedBy, role);
        // Whoever changes the row first wins: another acceptance, a revocation or a new link.
        const taken = await this.invitations.update(
          { id, tokenHash, ...whereStatus('open') },
          { acceptedAt: new Date() },
        );
        if (taken !== 1) throw new InvitationRefused();
        const row = newUser({ email, name, role, passwordHash, emailVerifiedAt: new Date() });
        this.runner.identify({ kind: 'user', id: row.id, name: row.name });
        const [user] = (await this.users.insert(row)) as [User];
        await this.states.changed(user.id);
        await this.directory.changed(user.emailKey);
        await this.audit.record({
          event: 'invitation.accepted',
          target: { kind: 'invitation', id },
          after: { user: user.id, email, name: user.name, role },
        });
        return user;
      });
    } catch (error) {
      throw isDuplicateOf('users_email_key', error) ? new EmailTaken() : error;
    }
  }

  /**
   * An invitation is worth what its sender may still give: an admin who was demoted, disabled or deleted does not come
   * back, nor bring others in, by one sent before. It also locks the role, which so cannot go away.
   */
  private async demandInviter(invitedBy: string | null, role: string): Promise<void> {
    try {
      if (invitedBy === null) return await this.grants.lockRole(role);
      const reach = await this.grants.of(invitedBy, { roles: [role] });
      if (!reach) throw new InvitationRefused();
      reach.demandUnbounded();
      reach.demandToGrant(role);
    } catch (error) {
      // The inviter's reach and the role's name are not for the invited to know.
      const refused = [GrantRefused, BoundedKeyRefused, ValidationFailed].some((kind) => error instanceof kind);
      throw refused ? new InvitationRefused() : error;
    }
  }
}
