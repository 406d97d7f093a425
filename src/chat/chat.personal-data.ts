import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PersonalData } from '../auth/index.js';
import type { Page } from '../common/index.js';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { ChatMessage } from './chat-message.entity.js';
import { MessageView } from './chat.dto.js';
import { MessageContents } from './message.contents.js';

/** Messages can be long: as many are in memory at once. */
const PAGE = 100;

/** The messages of a person's chat sessions, for their download. They are deleted with the sessions. */
@Injectable()
export class ChatPersonalData implements OnModuleInit {
  constructor(
    @InjectTenantRepository(ChatMessage) private readonly messages: TenantRepository<ChatMessage>,
    private readonly personal: PersonalData,
    private readonly contents: MessageContents,
  ) {}

  onModuleInit(): void {
    this.personal.register({ name: 'messages', page: (userId, cursor) => this.page(userId, cursor) });
  }

  private async page(userId: string, after: string | undefined): Promise<Page<MessageView & { session_id: string }>> {
    const query = this.messages
      .createQueryBuilder('message')
      .innerJoin('message.session', 'session')
      .where('session.userId = :userId', { userId })
      .orderBy('message.id', 'ASC')
      .limit(PAGE);
    if (after !== undefined) query.andWhere('message.id > :after', { after });
    const rows = await this.contents.opened(await query.getMany());
    const next = rows.length === PAGE ? (rows.at(-1)?.id ?? null) : null;
    const items = rows.map((message) => ({ session_id: message.sessionId, ...MessageView.of(message) }));
    return { items, next_cursor: next };
  }
}
