import { Injectable } from '@nestjs/common';
import { auditEventJson, AuditQuery, TenantAudit } from '../../audit/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository, TenantRunner } from '../../tenancy/index.js';
import { ApiKeyView } from '../api-keys/api-key.dto.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import { CredentialInvalid } from '../auth.errors.js';
import { Device } from '../devices/device.entity.js';
import { InvitationView } from '../invitations/invitation.dto.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { SupportView } from '../platform/impersonation.dto.js';
import { ImpersonationStore } from '../platform/impersonation.store.js';
import { ExternalIdentity } from '../sso/external-identity.entity.js';
import { User } from '../users/user.entity.js';
import { PersonalData, type PersonalDataSection } from './personal-data.js';

/** Audit events read at once. */
const AUDIT_PAGE = 200;

/** Everything that the tenant holds of one of its users. */
@Injectable()
export class PersonalDataExport {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Device) private readonly devices: TenantRepository<Device>,
    @InjectTenantRepository(Invitation) private readonly invitations: TenantRepository<Invitation>,
    @InjectTenantRepository(ApiKey) private readonly apiKeys: TenantRepository<ApiKey>,
    @InjectTenantRepository(ExternalIdentity) private readonly identities: TenantRepository<ExternalIdentity>,
    private readonly impersonations: ImpersonationStore,
    private readonly context: TenantContext,
    private readonly events: AuditQuery,
    private readonly personal: PersonalData,
    private readonly audit: TenantAudit,
    private readonly runner: TenantRunner,
  ) {}

  /**
   * @returns one JSON object in pieces, read a page at a time as the client takes them
   * @throws CredentialInvalid when the user is gone meanwhile
   */
  async of(userId: string): Promise<AsyncGenerator<string>> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new CredentialInvalid();
    const devices = await this.devices.find({ where: { userId }, order: { id: 'ASC' } });
    await this.audit.record({ event: 'personal-data.exported', target: { kind: 'user', id: userId } });
    const sections = [...this.personal.sections(), this.ownEvents(), this.eventsAbout()].flatMap(({ name, page }) =>
      // Whoever drains the stream may be in another scope or in none.
      page ? [{ name, page: this.runner.bind((cursor?: string) => page(userId, cursor)) }] : [],
    );
    const head = {
      profile: profileOf(user),
      devices: devices.map(deviceOf),
      invitations: (await this.invitations.find({ where: { emailKey: user.emailKey }, order: { id: 'ASC' } })).map(
        (invitation) => InvitationView.of(invitation),
      ),
      api_keys: (await this.apiKeys.find({ where: { createdBy: userId }, order: { id: 'ASC' } })).map((key) =>
        ApiKeyView.of(key),
      ),
      external_identities: (await this.identities.find({ where: { userId }, order: { id: 'ASC' } })).map(
        ({ issuer, subject, linkedAt }) => ({ issuer, subject, linked_at: linkedAt }),
      ),
      impersonations: await this.impersonationsOf(userId),
    };
    return text(head, sections);
  }

  private impersonationsOf(userId: string): Promise<object[]> {
    const { id } = this.context.currentOrThrow('Personal data');
    return this.runner.runAsPlatform('personal data', async () =>
      (await this.impersonations.ofUser(id, userId)).map((row) => SupportView.of(row)),
    );
  }

  /** What others did to the person. From where they did it is theirs. */
  private eventsAbout(): PersonalDataSection {
    return {
      name: 'audit_events_about_you',
      page: async (targetId, cursor) => {
        const page = await this.events.list({ targetKind: 'user', targetId }, AUDIT_PAGE, cursor);
        const others = page.items.filter(({ actorId }) => actorId !== targetId);
        const items = others.map((event) => ({ ...auditEventJson(event), address: null, request_id: null }));
        return { items, next_cursor: page.next_cursor };
      },
    };
  }

  private ownEvents(): PersonalDataSection {
    return {
      name: 'audit_events',
      page: async (actorId, cursor) => {
        const page = await this.events.list({ actorKind: 'user', actorId }, AUDIT_PAGE, cursor);
        return { items: page.items.map(auditEventJson), next_cursor: page.next_cursor };
      },
    };
  }
}

interface BoundSection {
  name: string;
  page: (cursor?: string) => ReturnType<NonNullable<PersonalDataSection['page']>>;
}

async function* text(head: object, sections: BoundSection[]): AsyncGenerator<string> {
  yield JSON.stringify(head).slice(0, -1);
  for (const { name, page } of sections) {
    yield `,\n${JSON.stringify(name)}:[`;
    let separator = '';
    let cursor: string | undefined;
    do {
      const { items, next_cursor } = await page(cursor);
      if (items.length > 0) yield separator + items.map((item) => JSON.stringify(item)).join(',\n');
      if (items.length > 0) separator = ',\n';
      cursor = next_cursor ?? undefined;
    } while (cursor !== undefined);
    yield ']';
  }
  yield '}\n';
}

function profileOf(user: User): object {
  return {
    id: user.id,
    email: user.email,
    pending_email: user.pendingEmail,
    name: user.name,
    role: user.role,
    status: user.status,
    custom_fields: user.customFields,
    email_verified_at: user.emailVerifiedAt,
    mfa_enabled_at: user.mfaEnabledAt,
    last_sign_in_at: user.lastSignInAt,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
  };
}

function deviceOf(device: Device): object {
  return {
    id: device.id,
    name: device.name,
    address: device.address,
    created_at: device.createdAt,
    last_used_at: device.lastUsedAt,
    expires_at: device.expiresAt,
  };
}
