import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** An offer of a role to an address. Open until accepted, revoked or expired. */
@Entity('invitations')
export class Invitation extends TenantOwned {
  @Column('text')
  email: string;

  @Column('text', { name: 'email_key' })
  emailKey: string;

  @Column('text')
  role: string;

  @Column('bytea', { name: 'token_hash' })
  tokenHash: Buffer;

  /** The user or API key that sent it last, who must still reach its role when it is accepted; null for the platform. */
  @Column('uuid', { name: 'invited_by', nullable: true })
  invitedBy: string | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'sent_at' })
  sentAt: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;

  @Column('timestamptz', { name: 'accepted_at', nullable: true })
  acceptedAt: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt: Date | null;
}
