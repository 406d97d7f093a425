import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

/** Where a user is signed in: one family of refresh tokens, of which only the newest is valid. */
@Entity('devices')
export class Device extends TenantOwned {
  @Column('uuid', { name: 'user_id' })
  userId: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User>;

  /** The user agent, as it called itself. */
  @Column('text')
  name: string;

  @Column('text', { nullable: true })
  address: string | null;

  @Column('bytea', { name: 'token_hash' })
  tokenHash: Buffer;

  @Column('bytea', { name: 'previous_hash', nullable: true })
  previousHash: Buffer | null;

  @Column('timestamptz', { name: 'rotated_at', nullable: true })
  rotatedAt: Date | null;

  /** The newest token, sealed under the one before it, so that only its bearer can ask for it again. */
  @Column('bytea', { nullable: true })
  successor: Buffer | null;

  @Column('boolean', { name: 'in_cookie' })
  inCookie: boolean;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'last_used_at' })
  lastUsedAt: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;
}
