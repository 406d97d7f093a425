import { Column, Entity } from 'typeorm';
import { UserOwned } from '../users/user-owned.js';

/** Where a user is signed in: one family of refresh tokens, of which only the newest is valid. */
@Entity('devices')
export class Device extends UserOwned {
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
