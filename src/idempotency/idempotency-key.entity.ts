import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

/** A claimed Idempotency-Key and, once its effect is committed, the sealed answer. */
@Entity('idempotency_keys')
export class IdempotencyKey extends TenantOwned {
  @Column('bytea', { name: 'key_hash' })
  keyHash: Buffer;

  @Column('bytea', { name: 'request_hash' })
  requestHash: Buffer;

  @Column('timestamptz', { name: 'claimed_until' })
  claimedUntil: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;

  @Column('integer', { nullable: true })
  status: number | null;

  @Column('bytea', { nullable: true })
  answer: Buffer | null;
}
