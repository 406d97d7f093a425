import { Inject, Injectable } from '@nestjs/common';
import { UnknownSession } from '../auth/index.js';
import type { Page } from '../common/index.js';
import type { Commit } from '../idempotency/index.js';
import { SESSION_IDLE_MS, SessionService, WELCOME } from '../session/index.js';
import { TenantSettings } from '../settings/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../tenancy/index.js';
import { ChatMessage } from './chat-message.entity.js';
import { MODEL } from './chat.settings.js';
import { MessageContents, type StoredMessage } from './message.contents.js';
import { MODEL_PROVIDERS, type ModelProvider, ModelUnavailable } from './model.provider.js';

/** How long a model may take, in ms. */
const MODEL_TIMEOUT_MS = 60_000;

export interface ChatAnswer {
  tenant_id: string;
  session_id: string;
  reply: string;
  model: string;
  mock: boolean;
}

@Injectable()
export class ChatService {
  constructor(
    @InjectTenantRepository(ChatMessage) private readonly messages: TenantRepository<ChatMessage>,
    private readonly sessions: SessionService,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
    private readonly credentials: CredentialCodec,
    private readonly contents: MessageContents,
    @Inject(MODEL_PROVIDERS) private readonly providers: ModelProvider[],
  ) {}

  /**
   * Asks the tenant's model, then commits message and reply together before answering.
   *
   * @throws UnknownSession when the session ended meanwhile; ModelUnavailable
   */
  async chat(sessionId: string, credential: string, message: string, commit: Commit<ChatAnswer>): Promise<ChatAnswer> {
    const tenant = this.context.currentOrThrow('A chat');
    const asked = new Date();
    const model = this.settings.get(MODEL);
    const { reply, mock } = await this.ask(model, message);
    const said = await this.contents.stored(message);
    const answered = await this.contents.stored(reply);
    return commit({ tenant_id: tenant.slug, session_id: credential, reply, model, mock }, () =>
      this.store(sessionId, said, asked, answered, model),
    );
  }

  /**
   * One page of a session's messages, oldest first.
   *
   * @param limit 1 to 100
   * @throws UnknownSession when it has gone meanwhile
   */
  async history(sessionId: string, limit: number, after: string | undefined): Promise<Page<ChatMessage>> {
    const tenant = this.context.currentOrThrow('A chat history');
    const query = this.messages
      .createQueryBuilder('message')
      .where('message.sessionId = :sessionId', { sessionId })
      .orderBy('message.id', 'ASC')
      .limit(limit + 1);
    if (after !== undefined) query.andWhere('message.id > :after', { after });
    const rows = await query.getMany();
    // Messages go with their session: where there are some, it is still there.
    if (rows.length === 0) await this.sessions.get(sessionId);
    const items = await this.contents.opened(rows.slice(0, limit));
    const last = items.at(-1);
    const more = rows.length > limit && last !== undefined;
    return { items, next_cursor: more ? this.credentials.sealCursor(tenant.id, sessionId, last.id) : null };
  }

  private async ask(model: string, message: string): Promise<{ reply: string; mock: boolean }> {
    this.transaction.assertNone('A model');
    const provider = this.providers.find((candidate) => candidate.supports(model));
    if (!provider) throw new ModelUnavailable(model);
    const tenant = { slug: this.context.currentOrThrow().slug, welcome: this.settings.get(WELCOME) };
    try {
      return await provider.complete({ model, message, tenant }, AbortSignal.timeout(MODEL_TIMEOUT_MS));
    } catch (error) {
      throw new ModelUnavailable(model, error);
    }
  }

  /** Plain SQL, because this is the hot path: one statement, one flight, and it looks at the session again. */
  private async store(
    sessionId: string,
    said: StoredMessage,
    asked: Date,
    answered: StoredMessage,
    model: string,
  ): Promise<void> {
    const stored = await this.transaction.query(
      `INSERT INTO chat_messages (tenant_id, id, session_id, role, content, model, created_at)
       SELECT s.tenant_id, m.id, s.id, m.role, m.content, m.model, m.at
         FROM chat_sessions s
        CROSS JOIN (VALUES ($3::uuid, 'user', $4::text, NULL, $5::timestamptz),
                           ($6::uuid, 'assistant', $7::text, $8::text, now())) AS m (id, role, content, model, at)
        WHERE s.tenant_id = $1 AND s.id = $2 AND s.last_active_at > $9
       RETURNING id`,
      [
        this.context.currentOrThrow('A chat').id,
        sessionId,
        said.id,
        said.content,
        asked,
        answered.id,
        answered.content,
        model,
        new Date(asked.getTime() - SESSION_IDLE_MS),
      ],
    );
    if (stored.length !== 2) throw new UnknownSession();
  }
}
