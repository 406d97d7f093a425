import { Injectable, type OnModuleInit } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { newId } from '../../common/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import { CredentialCodec, InjectTenantRepository, type Tenant, type TenantRepository } from '../../tenancy/index.js';
import {
  ProvisioningMarks,
  ProvisioningSteps,
  type StepRun,
  TenantErasure,
  type TenantOwner,
} from '../../tenant/index.js';
import { EmailDirectory } from '../account/email.directory.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { emailKey } from '../users/email-key.js';
import { UserStates } from '../users/user-states.js';
import { newUser } from '../users/new.user.js';
import { User } from '../users/user.entity.js';

const LIFE_MS = 7 * 24 * 60 * 60 * 1000;

/** Gives a new tenant its owner: a user whose password is known already, or else an invitation. */
@Injectable()
export class OwnerSteps implements OnModuleInit {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    private readonly steps: ProvisioningSteps,
    private readonly marks: ProvisioningMarks,
    private readonly erasure: TenantErasure,
    private readonly credentials: CredentialCodec,
    private readonly audit: TenantAudit,
    private readonly directory: EmailDirectory,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
    private readonly states: UserStates,
  ) {}

  onModuleInit(): void {
    this.steps.register('owner', (run) => this.owner(run));
    this.steps.register('welcome-mail', (run) => this.welcome(run));
    this.erasure.register(async (manager, tenantId) => {
      await manager.query('DELETE FROM email_directory WHERE tenant_id = $1', [tenantId]);
    });
  }

  private async owner(run: StepRun): Promise<void> {
    const { tenant, request } = run;
    const { owner } = request;
    if (!owner) return;
    await this.marks.once(run, 'owner', async () => {
      // Of a tenant that was emptied, what processes still know is of people who are gone.
      await this.states.changed('*');
      if (owner.passwordHash === undefined && !owner.direct) return this.invite(tenant, owner);
      await this.join(owner, owner.passwordHash ?? null);
    });
  }

  /** @returns the credential of the link, for the mail that a later step sends */
  private async invite(tenant: Tenant, owner: TenantOwner): Promise<string> {
    const id = newId();
    const token = this.credentials.mint('invitation', tenant.id, id);
    const now = new Date();
    await this.invitations.insert({
      id,
      email: owner.email.trim(),
      emailKey: emailKey(owner.email),
      role: 'owner',
      tokenHash: this.credentials.hash(token),
      invitedBy: null,
      createdAt: now,
      sentAt: now,
      expiresAt: new Date(now.getTime() + LIFE_MS),
      acceptedAt: null,
      revokedAt: null,
    });
    await this.audit.record({
      event: 'invitation.created',
      target: { kind: 'invitation', id },
      details: { email: owner.email, role: 'owner' },
    });
    return token;
  }

  private async join({ email, name }: TenantOwner, passwordHash: string | null): Promise<void> {
    const user = newUser({ email, name: name ?? email, role: 'owner', passwordHash, emailVerifiedAt: new Date() });
    await this.users.insert(user);
    await this.directory.changed(user.emailKey);
    await this.audit.record({
      event: 'user.created',
      target: { kind: 'user', id: user.id },
      after: { email, name: user.name, role: user.role },
    });
  }

  private async welcome(run: StepRun): Promise<void> {
    const { tenant, request } = run;
    const { owner } = request;
    if (!owner || owner.direct) return;
    await this.marks.once(run, 'welcome-mail', async () => {
      const token = await this.marks.noteOf('owner');
      await this.mailer.send({
        template: token === undefined ? 'welcome' : 'welcome-invitation',
        to: { address: owner.email, ...(owner.name !== undefined && { name: owner.name }) },
        data: { tenant: tenant.name, expires: new Date(Date.now() + LIFE_MS).toUTCString() },
        links: {
          action:
            token === undefined
              ? this.links.linkFor(tenant, '/')
              : this.links.linkFor(tenant, '/accept-invitation', { token }),
        },
      });
    });
  }
}
