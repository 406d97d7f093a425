import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** A program's credential. Revoking deletes it. */
@Entity('api_keys')
export class ApiKey extends TenantOwned {
  @Column('text')
  name: string;

  /** The first and last characters, by which a person tells keys apart. */
  @Column('text')
  hint: string;

  @Column('bytea', { name: 'key_hash' })
  keyHash: Buffer;

  @Column('text', { array: true })
  permissions: string[];

  /** CIDR ranges from which the key works; empty means from anywhere. */
  @Column('text', { name: 'address_ranges', array: true })
  addressRanges: string[];

  @Column('uuid', { name: 'created_by', nullable: true })
  createdBy: string | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt: Date | null;

  /** Noted at most once a minute. */
  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt: Date | null;

  @Column('text', { name: 'last_used_address', nullable: true })
  lastUsedAddress: string | null;
}
