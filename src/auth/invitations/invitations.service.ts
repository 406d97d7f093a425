import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { isUuid, newId, type Page } from '../../common/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  TenantCursors,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { MemberMails } from '../account/member-mails.js';
import { Grants, type Reach } from '../roles/grants.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { emailKey } from '../users/email-key.js';
import { EmailTaken } from '../users/user.errors.js';
import { User } from '../users/user.entity.js';
import { Invitation } from './invitation.entity.js';
import { InvitationClosed, InvitationOpen, UnknownInvitation } from './invitation.errors.js';
import { INVITATION_WRITE } from './invitation.permissions.js';
import { type InvitationStatus, statusOf, whereStatus } from './invitation.status.js';

const LIFE_MS = 7 * 24 * 60 * 60 * 1000;
/** What cursors are sealed with. */
const LIST = 'invitations';

/** Invites people into the current tenant, within what the caller holds. */
@Injectable()
export class InvitationsService {
  constructor(
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly grants: Grants,
    private readonly mails: MemberMails,
    private readonly credentials: CredentialCodec,
    private readonly cursors: TenantCursors,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /**
   * Newest first.
   *
   * @param limit invitations to a page
   * @throws CursorInvalid
   */
  async list(status: InvitationStatus | undefined, limit: number, cursor?: string): Promise<Page<Invitation>> {
    const before = this.cursors.open(LIST, cursor);
    const rows = await this.invitations.find({
      where: { ...(status && whereStatus(status)), ...(before !== undefined && { id: LessThan(before) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** @throws ValidationFailed for an unknown role; GrantRefused, EmailTaken, InvitationOpen */
  async invite(principal: TenantPrincipal, { email, role }: Pick<Invitation, 'email' | 'role'>): Promise<Invitation> {
    const address = email.trim();
    const key = emailKey(address);
    try {
      return await this.transaction.run(async () => {
        const reach = await this.grants.begin(principal, INVITATION_WRITE, { roles: [role] });
        reach.demandUnbounded();
        reach.demandToGrant(role);
        await this.mails.count(key);
        if (await this.users.exists({ emailKey: key })) throw new EmailTaken();
        // One that has run out must not stand in the way of another.
        await this.invitations.update({ emailKey: key, ...whereStatus('expired') }, { revokedAt: new Date() });
        const row = { id: newId(), email: address, emailKey: key, role, acceptedAt: null, revokedAt: null };
        const sent = this.mint(row.id, principal);
        const now = sent.fields.sentAt;
        const [invitation] = (await this.invitations.insert({ ...row, ...sent.fields, createdAt: now })) as [
          Invitation,
        ];
        await this.send(invitation, principal, sent.token);
        await this.record('invitation.created', invitation);
        return invitation;
      });
    } catch (error) {
      throw isDuplicateOf('invitations_open', error) ? new InvitationOpen() : error;
    }
  }

  /** Sends a new link; the one before is void. @throws UnknownInvitation, InvitationClosed, GrantRefused */
  async resend(principal: TenantPrincipal, id: string): Promise<Invitation> {
    return this.transaction.run(async () => {
      const { invitation, reach } = await this.reached(principal, id, ({ emailKey: key }) => this.mails.count(key));
      reach.demandUnbounded();
      refuseClosed(invitation, 'accepted', 'revoked');
      // The role may have gone since it ran out.
      reach.demandToGrant(invitation.role);
      const sent = this.mint(id, principal);
      await this.invitations.update({ id }, sent.fields);
      await this.send(invitation, principal, sent.token);
      await this.record('invitation.resent', invitation);
      return { ...invitation, ...sent.fields };
    });
  }

  /** Does nothing to one that is revoked already. @throws UnknownInvitation, InvitationClosed, GrantRefused */
  async revoke(principal: TenantPrincipal, id: string): Promise<void> {
    await this.transaction.run(async () => {
      const { invitation } = await this.reached(principal, id);
      refuseClosed(invitation, 'accepted');
      if (invitation.revokedAt !== null) return;
      await this.invitations.update({ id }, { revokedAt: new Date() });
      await this.record('invitation.revoked', invitation);
    });
  }

  /**
   * The invitation, locked, after people and roles: the order in which every change takes them.
   *
   * @param before what comes between
   */
  private async reached(
    principal: TenantPrincipal,
    id: string,
    before?: (found: Invitation) => Promise<void>,
  ): Promise<{ invitation: Invitation; reach: Reach }> {
    const found = isUuid(id) ? await this.invitations.findOneBy({ id }) : null;
    const reach = await this.grants.begin(principal, INVITATION_WRITE, { roles: found ? [found.role] : [] });
    if (found) await before?.(found);
    const invitation =
      found && (await this.invitations.findOne({ where: { id }, lock: { mode: 'pessimistic_write' } }));
    if (!invitation) throw new UnknownInvitation();
    reach.demandOver(invitation.role);
    return { invitation, reach };
  }

  private mint(id: string, principal: TenantPrincipal) {
    const token = this.credentials.mint('invitation', this.tenant().id, id);
    const sentAt = new Date();
    const expiresAt = new Date(sentAt.getTime() + LIFE_MS);
    return { token, fields: { tokenHash: this.credentials.hash(token), invitedBy: principal.id, sentAt, expiresAt } };
  }

  private async send({ email, role }: Invitation, { name }: TenantPrincipal, token: string): Promise<void> {
    const expires = new Date(Date.now() + LIFE_MS).toUTCString();
    await this.mailer.send({
      template: 'invitation',
      to: { address: email },
      data: { inviter: name, role, expires },
      links: { action: this.links.linkFor(this.tenant(), '/accept-invitation', { token }) },
    });
  }

  private record(event: string, { id, email, role }: Invitation): Promise<void> {
    return this.audit.record({ event, target: { kind: 'invitation', id }, details: { email, role } });
  }

  private tenant() {
    return this.context.currentOrThrow('An invitation');
  }
}

/** @throws InvitationClosed when that is what became of it */
function refuseClosed(invitation: Invitation, ...statuses: ('accepted' | 'revoked')[]): void {
  const status = statuses.find((candidate) => candidate === statusOf(invitation));
  if (status) throw new InvitationClosed(status);
}
