import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { SessionAuthenticator, UnknownSession, type Visitor } from '../auth/index.js';
import { newId } from '../common/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../tenancy/index.js';
import { ChatSession } from './chat-session.entity.js';

/** A session ends after this long without activity, in ms. */
export const SESSION_IDLE_MS = 24 * 60 * 60 * 1000;
/** Activity is written at most this often, in ms. */
const ACTIVITY_MS = 5 * 60 * 1000;
/** How long a session found alive is taken to be so without asking again, in ms. Whatever stores asks again. */
const TRUST_MS = 60 * 1000;
const CACHE_SIZE = 100_000;

interface KnownSession extends Visitor {
  tenantId: string;
  lastActiveAt: number;
  checkedAt: number;
}

@Injectable()
export class SessionService extends SessionAuthenticator implements OnApplicationShutdown {
  private readonly logger = new Logger('Sessions');
  private readonly known = new LRUCache<string, KnownSession>({ max: CACHE_SIZE });
  private readonly writes = new Set<Promise<unknown>>();

  constructor(
    @InjectTenantRepository(ChatSession) private readonly sessions: TenantRepository<ChatSession>,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {
    super();
  }

  /**
   * @param userId whose session it will be; left out for a visitor
   * @returns a new credential and the write that makes it valid, to be awaited before the credential is given out
   */
  prepare(userId?: string): { credential: string; write: () => Promise<void> } {
    const tenant = this.context.currentOrThrow('A chat session');
    const credential = this.credentials.mint('session', tenant.id);
    const tokenHash = this.credentials.hash(credential);
    const write = async (): Promise<void> => {
      const now = new Date();
      const id = newId();
      await this.sessions.insert({ id, tokenHash, userId: userId ?? null, createdAt: now, lastActiveAt: now });
      this.remember(tokenHash, {
        sessionId: id,
        tenantId: tenant.id,
        lastActiveAt: now.getTime(),
        ...(userId !== undefined && { userId }),
      });
    };
    return { credential, write };
  }

  authenticate(tokenHash: Buffer): Visitor | undefined | Promise<Visitor | undefined> {
    const tenantId = this.context.currentOrThrow('A chat session').id;
    const known = this.known.get(tokenHash.toString('latin1'));
    const now = Date.now();
    if (
      known?.tenantId === tenantId &&
      now - known.checkedAt < TRUST_MS &&
      now - known.lastActiveAt < SESSION_IDLE_MS
    ) {
      return this.noteActivity(known, now);
    }
    return this.lookUp(tokenHash, tenantId);
  }

  async find(sessionId: string): Promise<Visitor | undefined> {
    const session = await this.sessions.findOneBy({ id: sessionId });
    if (!session || Date.now() - session.lastActiveAt.getTime() >= SESSION_IDLE_MS) return undefined;
    return { sessionId: session.id, ...(session.userId !== null && { userId: session.userId }) };
  }

  /** @throws UnknownSession when it has expired or gone meanwhile */
  async get(sessionId: string): Promise<Pick<ChatSession, 'id' | 'createdAt' | 'lastActiveAt'>> {
    // Plain SQL, because this is a hot path and hydration would cost more than the query.
    const [session] = await this.transaction.query<Pick<ChatSession, 'id' | 'createdAt' | 'lastActiveAt'>>(
      `SELECT id, created_at AS "createdAt", last_active_at AS "lastActiveAt" FROM chat_sessions
        WHERE tenant_id = $1 AND id = $2 AND last_active_at > $3`,
      [this.context.currentOrThrow('A chat session').id, sessionId, new Date(Date.now() - SESSION_IDLE_MS)],
    );
    if (!session) throw new UnknownSession();
    return session;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.writes);
  }

  private async lookUp(tokenHash: Buffer, tenantId: string): Promise<Visitor | undefined> {
    const now = Date.now();
    const session = await this.sessions.findOneBy({ tokenHash });
    if (!session || now - session.lastActiveAt.getTime() >= SESSION_IDLE_MS) return undefined;
    const lastActiveAt = session.lastActiveAt.getTime();
    const { id: sessionId, userId } = session;
    const owner = userId === null ? {} : { userId };
    return this.noteActivity(this.remember(tokenHash, { sessionId, tenantId, lastActiveAt, ...owner }), now);
  }

  private remember(tokenHash: Buffer, session: Omit<KnownSession, 'checkedAt'>): KnownSession {
    const known = { ...session, checkedAt: Date.now() };
    this.known.set(tokenHash.toString('latin1'), known);
    return known;
  }

  private noteActivity(known: KnownSession, now: number): Visitor {
    if (now - known.lastActiveAt >= ACTIVITY_MS) {
      known.lastActiveAt = now;
      const write = this.sessions
        .update({ id: known.sessionId }, { lastActiveAt: new Date(now) })
        .catch((error: unknown) => this.logger.error({ err: error }, 'Activity of a session could not be noted'))
        .finally(() => this.writes.delete(write));
      this.writes.add(write);
    }
    return known;
  }
}
