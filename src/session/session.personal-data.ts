import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type MessagesOfTheDeleted, PersonalData } from '../auth/index.js';
import type { Page } from '../common/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { ChatSession } from './chat-session.entity.js';
import { SessionView } from './session.dto.js';

const PAGE = 500;

/** A person's chat sessions, for their download and their leaving. */
@Injectable()
export class SessionPersonalData implements OnModuleInit {
  constructor(
    @InjectTenantRepository(ChatSession) private readonly sessions: TenantRepository<ChatSession>,
    private readonly personal: PersonalData,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {}

  onModuleInit(): void {
    this.personal.register({
      name: 'sessions',
      page: (userId, cursor) => this.page(userId, cursor),
      forget: (userId, messages) => this.forget(userId, messages),
    });
  }

  private async page(userId: string, after: string | undefined): Promise<Page<SessionView>> {
    const query = this.sessions
      .createQueryBuilder('session')
      .where('session.userId = :userId', { userId })
      .orderBy('session.id', 'ASC')
      .limit(PAGE);
    if (after !== undefined) query.andWhere('session.id > :after', { after });
    const rows = await query.getMany();
    const { slug } = this.context.currentOrThrow('Personal data');
    const next = rows.length === PAGE ? (rows.at(-1)?.id ?? null) : null;
    return { items: rows.map((session) => SessionView.of(session, slug)), next_cursor: next };
  }

  private async forget(userId: string, messages: MessagesOfTheDeleted): Promise<void> {
    if (messages === 'remove') {
      await this.sessions.delete({ userId });
      return;
    }
    // Of nobody now, without what is said of its person, and opened by no credential: one kept from before would let its holder in as a visitor.
    await this.transaction.query(
      `UPDATE chat_sessions SET user_id = NULL, custom_fields = '{}', token_hash = sha256(uuid_send(gen_random_uuid()))
        WHERE tenant_id = $1 AND user_id = $2`,
      [this.context.currentOrThrow('Personal data').id, userId],
    );
  }
}
