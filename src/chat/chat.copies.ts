import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In, MoreThan } from 'typeorm';
import { ChatSession } from '../session/index.js';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { type CopyIds, TenantCopies } from '../tenant/index.js';
import { ChatMessage } from './chat-message.entity.js';
import { MessageContents } from './message.contents.js';

/** Messages can be long: as many are in memory at once. */
const PAGE = 200;

/** The messages of the chat sessions in a copy of a tenant. */
@Injectable()
export class ChatCopies implements OnModuleInit {
  constructor(
    @InjectTenantRepository(ChatMessage) private readonly messages: TenantRepository<ChatMessage>,
    @InjectTenantRepository(ChatSession) private readonly sessions: TenantRepository<ChatSession>,
    private readonly copies: TenantCopies,
    private readonly contents: MessageContents,
  ) {}

  onModuleInit(): void {
    this.copies.register<ChatMessage>({
      entity: ChatMessage,
      after: [ChatSession],
      read: async (from) => {
        const where = from === undefined ? {} : { id: MoreThan(from) };
        const rows = await this.messages.find({ where, order: { id: 'ASC' }, take: PAGE });
        await this.contents.opened(rows);
        return { rows, next: rows.length === PAGE ? rows.at(-1)?.id : undefined };
      },
      write: (rows, ids) => this.write(rows, ids),
    });
  }

  private async write(rows: ChatMessage[], ids: CopyIds): Promise<void> {
    const sessions = new Set(rows.map(({ sessionId }) => ids.of(sessionId)));
    const there = await this.sessions.find({ where: { id: In([...sessions]) }, select: { id: true } });
    const known = new Set(there.map(({ id }) => id));
    const kept = rows.filter(({ sessionId }) => known.has(ids.of(sessionId)));
    const copied = [];
    for (const { id, sessionId, role, content, model, createdAt } of kept) {
      const stored = await this.contents.stored(content, ids.of(id));
      copied.push({ ...stored, sessionId: ids.of(sessionId), role, model, createdAt });
    }
    if (copied.length > 0) await this.messages.insert(copied);
  }
}
