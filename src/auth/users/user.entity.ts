import { Column, Entity } from 'typeorm';
import type { FieldValues } from '../../fields/index.js';
import { TenantOwned } from '../../tenancy/index.js';

/** A person of one tenant. */
@Entity('users')
export class User extends TenantOwned {
  /** As the person writes it. */
  @Column('text')
  email: string;

  /** What makes an address unique within its tenant; see `emailKey`. */
  @Column('text', { name: 'email_key' })
  emailKey: string;

  @Column('text')
  name: string;

  /** A built-in role or one of the tenant's own, by name. */
  @Column('text')
  role: string;

  @Column('text')
  status: 'active' | 'disabled';

  /** PHC string; null until the person has chosen a password. */
  @Column('text', { name: 'password_hash', nullable: true })
  passwordHash: string | null;

  /** The address that is to take the place of `email` once a link sent to it comes back. Nothing else is sent to it. */
  @Column('text', { name: 'pending_email', nullable: true })
  pendingEmail: string | null;

  /** Who asked for it: the person, or another user or API key. */
  @Column('uuid', { name: 'pending_email_by', nullable: true })
  pendingEmailBy: string | null;

  @Column('timestamptz', { name: 'email_verified_at', nullable: true })
  emailVerifiedAt: Date | null;

  /** Access tokens that carry an older one are void. */
  @Column('integer', { name: 'token_version' })
  tokenVersion: number;

  /** Sealed. Set during enrolment; in force once `mfaEnabledAt` is set. */
  @Column('bytea', { name: 'mfa_secret', nullable: true })
  mfaSecret: Buffer | null;

  @Column('timestamptz', { name: 'mfa_enabled_at', nullable: true })
  mfaEnabledAt: Date | null;

  /** The last time step whose code was used, so that no code works twice. */
  @Column('integer', { name: 'mfa_last_step', nullable: true })
  mfaLastStep: number | null;

  /** By name, of the fields that the tenant declares, and maybe of some that it no longer does. */
  @Column('jsonb', { name: 'custom_fields' })
  customFields: FieldValues;

  @Column('timestamptz', { name: 'last_sign_in_at', nullable: true })
  lastSignInAt: Date | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
