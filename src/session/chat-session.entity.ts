import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { User } from '../auth/index.js';
import type { FieldValues } from '../fields/index.js';
import { TenantOwned } from '../tenancy/index.js';

/** A conversation, of a visitor or of a user. The credential that opens it is stored only as a hash. */
@Entity('chat_sessions')
export class ChatSession extends TenantOwned {
  @Column('bytea', { name: 'token_hash' })
  tokenHash: Buffer;

  /** Whose session it is; null for a visitor's. */
  @Column('uuid', { name: 'user_id', nullable: true })
  userId: string | null;

  @ManyToOne(() => User, { nullable: true, onDelete: 'SET NULL' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User> | null;

  /** By name, of the fields that the tenant declares, and maybe of some that it no longer does. */
  @Column('jsonb', { name: 'custom_fields' })
  customFields: FieldValues;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** Noted at most every five minutes. */
  @Column('timestamptz', { name: 'last_active_at' })
  lastActiveAt: Date;
}
