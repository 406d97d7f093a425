import { Column, Entity } from 'typeorm';
import { type ActorKind, TenantOwned } from '../tenancy/index.js';
import type { Json } from './audit.content.js';

/** One thing that happened in a tenant. The tenant's role can add events and read them, never change or remove one. */
@Entity('audit_events')
export class TenantAuditEvent extends TenantOwned {
  /** The time in `id`, so that ranges over time are ranges over the key. */
  @Column('timestamptz', { name: 'occurred_at' })
  occurredAt: Date;

  /** `noun.verb`, such as `user.created`. */
  @Column('text')
  event: string;

  @Column('text', { name: 'actor_kind' })
  actorKind: ActorKind;

  @Column('text', { name: 'actor_id', nullable: true })
  actorId: string | null;

  @Column('text', { name: 'actor_name', nullable: true })
  actorName: string | null;

  @Column('text', { name: 'impersonator_id', nullable: true })
  impersonatorId: string | null;

  @Column('text', { name: 'impersonator_name', nullable: true })
  impersonatorName: string | null;

  @Column('text', { name: 'target_kind', nullable: true })
  targetKind: string | null;

  @Column('text', { name: 'target_id', nullable: true })
  targetId: string | null;

  @Column('jsonb', { nullable: true })
  before: Json | null;

  @Column('jsonb', { nullable: true })
  after: Json | null;

  /** What is worth knowing and no change: a route, a reason, a count. */
  @Column('jsonb', { nullable: true })
  details: Json | null;

  @Column('text', { nullable: true })
  address: string | null;

  @Column('text', { name: 'request_id', nullable: true })
  requestId: string | null;

  /** More than 1 for the rest of a flood. */
  @Column('integer', { default: 1 })
  occurrences: number;
}
