import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

/** An event to be handled after the transaction that wrote it. Columns left out on insert get the database's default. */
@Entity('outbox_events')
export class OutboxEvent extends TenantOwned {
  @Column('text')
  type: string;

  /** Sealed: it may hold reset links and other one-time secrets. */
  @Column('bytea')
  payload: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** Counted when a relay claims the row, so that an event which kills its process is given up as well. */
  @Column('integer')
  attempts: number;

  /** When it is due; while a relay holds it, the end of that relay's lease. */
  @Column('timestamptz', { name: 'next_attempt_at' })
  nextAttemptAt: Date;

  /** Given up, for a person to look at. */
  @Column('timestamptz', { name: 'dead_at', nullable: true })
  deadAt: Date | null;

  /** Never holds anything of the payload. */
  @Column('text', { name: 'last_error', nullable: true })
  lastError: string | null;
}
