import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { type CopyIds, TenantCopies } from '../../tenant/index.js';
import { MemberMail } from '../account/member-mail.entity.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import { Device } from '../devices/device.entity.js';
import { KnownAddress } from '../devices/known-address.entity.js';
import { Invitation } from '../invitations/invitation.entity.js';
import { RecoveryCode } from '../mfa/recovery-code.entity.js';
import { Role } from '../roles/role.entity.js';
import { ExternalIdentity } from '../sso/external-identity.entity.js';
import { SsoSignIn } from '../sso/sso-sign-in.entity.js';
import { UserToken } from '../users/user-token.entity.js';
import { User } from '../users/user.entity.js';

const PAGE = 500;

/** What of a person a copy knows. */
type CopiedUser = Pick<User, 'id' | 'name' | 'role' | 'createdAt' | 'updatedAt'>;

/** People and roles in a copy of a tenant. Nobody can sign in as one of the people, and no mail reaches them. */
@Injectable()
export class AuthCopies implements OnModuleInit {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(Role) private readonly roles: TenantRepository<Role>,
    private readonly copies: TenantCopies,
  ) {}

  onModuleInit(): void {
    this.copies.register<Role>({
      entity: Role,
      read: async (from) => pageOf(await this.roles.find(after(from))),
      write: async (rows, ids) => {
        if (rows.length > 0)
          await this.roles.insert(rows.map(({ tenantId: _, id, ...role }) => ({ ...role, id: ids.of(id) })));
      },
    });
    this.copies.register<CopiedUser>({
      entity: User,
      // The rest of the row is not even read.
      read: async (from) =>
        pageOf(
          await this.users.find({
            ...after(from),
            select: { id: true, name: true, role: true, createdAt: true, updatedAt: true },
          }),
        ),
      write: async (rows, ids) => {
        if (rows.length > 0) await this.users.insert(rows.map((row) => stranger(row, ids)));
      },
    });
    this.copies.leaveOut([
      [Device, 'signs its person in'],
      [ExternalIdentity, 'signs its person in'],
      [SsoSignIn, 'signs its person in'],
      [KnownAddress, 'says from where people sign in'],
      [UserToken, 'opens an account'],
      [RecoveryCode, 'stands in for a second factor'],
      [Invitation, 'lets somebody in, and holds their address'],
      [ApiKey, 'lets a program in'],
      [MemberMail, 'counts mails that were sent to people'],
    ]);
  }
}

function after(id: string | undefined) {
  return { ...(id !== undefined && { where: { id: MoreThan(id) } }), order: { id: 'ASC' as const }, take: PAGE };
}

function pageOf<Row extends { id: string }>(rows: Row[]) {
  return { rows, next: rows.length === PAGE ? rows.at(-1)?.id : undefined };
}

function stranger({ id: of, name, role, createdAt, updatedAt }: CopiedUser, ids: CopyIds) {
  const id = ids.of(of);
  const email = `${id}@sandbox.invalid`;
  return {
    id,
    email,
    emailKey: email,
    name,
    role,
    status: 'disabled' as const,
    passwordHash: null,
    emailVerifiedAt: null,
    tokenVersion: 1,
    createdAt,
    updatedAt,
  };
}
