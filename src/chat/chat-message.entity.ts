import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { ChatSession } from '../session/index.js';
import { TenantOwned } from '../tenancy/index.js';

@Entity('chat_messages')
export class ChatMessage extends TenantOwned {
  @Column('uuid', { name: 'session_id' })
  sessionId: string;

  // Both columns: a message can only ever belong to a session of its own tenant.
  @ManyToOne(() => ChatSession, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'session_id', referencedColumnName: 'id' },
  ])
  session?: Relation<ChatSession>;

  @Column('text')
  role: 'user' | 'assistant';

  @Column('text')
  content: string;

  /** The model that answered; null for what the visitor wrote. */
  @Column('text', { nullable: true })
  model: string | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
