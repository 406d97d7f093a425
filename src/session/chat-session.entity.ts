import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

/** A visitor's conversation. The credential that opens it is stored only as a hash. */
@Entity('chat_sessions')
export class ChatSession extends TenantOwned {
  @Column('bytea', { name: 'token_hash' })
  tokenHash: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** Noted at most every five minutes. */
  @Column('timestamptz', { name: 'last_active_at' })
  lastActiveAt: Date;
}
