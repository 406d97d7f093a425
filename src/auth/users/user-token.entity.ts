import { Column, Entity } from 'typeorm';
import { UserOwned } from './user-owned.js';

export type UserTokenPurpose = 'reset-password' | 'verify-email' | 'mfa';

/** A credential for one purpose, of one user, once. Using it deletes it. */
@Entity('user_tokens')
export class UserToken extends UserOwned {
  @Column('text')
  purpose: UserTokenPurpose;

  @Column('bytea', { name: 'token_hash' })
  tokenHash: Buffer;

  /** The address that is being verified. */
  @Column('text', { nullable: true })
  email: string | null;

  /** For `mfa`: the user's token version when the password was right; a sign-out everywhere since makes it void. */
  @Column('integer', { name: 'token_version', nullable: true })
  tokenVersion: number | null;

  /** For `mfa`: what came before the second factor, for the audit; null in those of older releases. */
  @Column('text', { name: 'first_factor', nullable: true })
  firstFactor: string | null;

  /** Wrong codes given with it so far. */
  @Column('integer')
  attempts: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;
}
