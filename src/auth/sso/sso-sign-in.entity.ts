import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

/** A sign-in that came back from the provider. That it is here uses its state up; it goes when that would have expired. */
@Entity('sso_sign_ins')
export class SsoSignIn extends TenantOwned {
  /** Once the provider has said who it is. */
  @Column('uuid', { name: 'user_id', nullable: true })
  userId: string | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User>;

  /** Of the code that is traded for tokens; null before there is one and once it was used. */
  @Column('bytea', { name: 'token_hash', nullable: true })
  tokenHash: Buffer | null;

  /** Of the user when the code was made; a sign-out everywhere since makes it void. */
  @Column('integer', { name: 'token_version', nullable: true })
  tokenVersion: number | null;

  /** SHA-256 in base64url of what only the page knows that began (RFC 7636, S256). */
  @Column('text', { name: 'code_challenge' })
  codeChallenge: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'redeemable_until', nullable: true })
  redeemableUntil: Date | null;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;
}
