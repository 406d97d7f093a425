import { Inject, Injectable } from '@nestjs/common';
import { UnknownSession } from '../auth/index.js';
import { AppError, type Page } from '../common/index.js';
import type { Commit } from '../idempotency/index.js';
import { SESSION_IDLE_MS, SessionService, WELCOME } from '../session/index.js';
import { TenantSettings } from '../settings/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  TenantCursors,
  type TenantRepository,
  TenantTransaction,
} from '../tenancy/index.js';
import { ChatMessage } from './chat-message.entity.js';
import { MODEL } from './chat.settings.js';
import { latest } from './history.window.js';
import { MessageContents, type StoredMessage } from './message.contents.js';
import { MODEL_PROVIDERS, type ModelProvider, ModelUnavailable, type Turn } from './model.provider.js';
import { ModelQueue } from './model.queue.js';

/** How long a model may take, in ms. */
const MODEL_TIMEOUT_MS = 60_000;
/** How much of the session a model is told. */
const HISTORY_MESSAGES = 20;
const HISTORY_BYTES = 64 * 1024;

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
    private readonly cursors: TenantCursors,
    private readonly queue: ModelQueue,
    private readonly contents: MessageContents,
    @Inject(MODEL_PROVIDERS) private readonly providers: ModelProvider[],
  ) {}

  /**
   * Asks the tenant's model, then commits message and reply together before answering.
   *
   * @param gone ends the wait for the model's turn
   * @throws UnknownSession when the session ended meanwhile; ModelUnavailable, TenantBusy
   */
  async chat(
    sessionId: string,
    credential: string,
    message: string,
    commit: Commit<ChatAnswer>,
    gone: AbortSignal,
  ): Promise<ChatAnswer> {
    const tenant = this.context.currentOrThrow('A chat');
    const asked = new Date();
    const model = this.settings.get(MODEL);
    const { reply, mock } = await this.ask(model, sessionId, message, gone);
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
   * @throws CursorInvalid; UnknownSession when it has gone meanwhile
   */
  async history(sessionId: string, limit: number, cursor: string | undefined): Promise<Page<ChatMessage>> {
    const after = this.cursors.open(sessionId, cursor);
    const query = this.messages
      .createQueryBuilder('message')
      .where('message.sessionId = :sessionId', { sessionId })
      .orderBy('message.id', 'ASC')
      .limit(limit + 1);
    if (after !== undefined) query.andWhere('message.id > :after', { after });
    const rows = await query.getMany();
    // Messages go with their session: where there are some, it is still there.
    if (rows.length === 0) await this.sessions.get(sessionId);
    const page = this.cursors.page(sessionId, rows, limit, ({ id }) => id);
    return { ...page, items: await this.contents.opened(page.items) };
  }

  private async ask(
    model: string,
    sessionId: string,
    message: string,
    gone: AbortSignal,
  ): Promise<{ reply: string; mock: boolean }> {
    this.transaction.assertNone('A model');
    const current = this.context.currentOrThrow('A chat');
    const provider = this.providers.find((candidate) => candidate.supports(model, current));
    if (!provider) throw new ModelUnavailable(model);
    const history = provider.remembers ? await this.recent(sessionId) : [];
    const tenant = { slug: current.slug, welcome: this.settings.get(WELCOME) };
    const request = { model, history, message, tenant };
    const call = () => provider.complete(request, AbortSignal.timeout(MODEL_TIMEOUT_MS));
    try {
      return await (provider.instant ? call() : this.queue.run(call, provider.isOwn(current), gone));
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new ModelUnavailable(model, error);
    }
  }

  /** The latest messages of the session that a model is told, oldest first, from a question on. */
  private async recent(sessionId: string): Promise<Turn[]> {
    const rows = await this.messages
      .createQueryBuilder('message')
      .where('message.sessionId = :sessionId', { sessionId })
      .orderBy('message.id', 'DESC')
      .limit(HISTORY_MESSAGES)
      .getMany();
    const said = await this.contents.opened(rows);
    return latest(
      said.map(({ role, content }) => ({ role, content })),
      HISTORY_BYTES,
    );
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
