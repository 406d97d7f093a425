import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type FindOptionsWhere, MoreThan } from 'typeorm';
import { SessionAuthenticator, UnknownSession, type Visitor } from '../auth/index.js';
import { newId } from '../common/index.js';
import { changedFieldValues, type FieldValues, type GivenFields, SESSION_FIELDS } from '../fields/index.js';
import { TenantSettings } from '../settings/index.js';
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

/** A session as its bearer sees it. */
export type SessionState = Pick<ChatSession, 'id' | 'userId' | 'customFields' | 'createdAt' | 'lastActiveAt'>;

interface KnownSession extends Visitor {
  tenantId: string;
  lastActiveAt: number;
  checkedAt: number;
}

@Injectable()
export class SessionService extends SessionAuthenticator implements OnApplicationShutdown {
  private readonly logger = new Logger('Sessions');
  /** By token hash and by UUID. */
  private readonly known = new LRUCache<string, KnownSession>({ max: CACHE_SIZE });
  private readonly writes = new Set<Promise<unknown>>();

  constructor(
    @InjectTenantRepository(ChatSession) private readonly sessions: TenantRepository<ChatSession>,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly settings: TenantSettings,
  ) {
    super();
  }

  /**
   * @param userId whose session it will be; left out for a visitor
   * @param customFields checked
   * @returns a new credential and the write that makes it valid, to be awaited before the credential is given out
   */
  prepare(userId?: string, customFields: FieldValues = {}): { credential: string; write: () => Promise<void> } {
    const tenant = this.context.currentOrThrow('A chat session');
    const credential = this.credentials.mint('session', tenant.id);
    const tokenHash = this.credentials.hash(credential);
    const write = async (): Promise<void> => {
      const now = new Date();
      const id = newId();
      const owner = userId ?? null;
      await this.sessions.insert({ id, tokenHash, userId: owner, customFields, createdAt: now, lastActiveAt: now });
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
    return this.alive(tokenHash.toString('latin1'), { tokenHash });
  }

  find(sessionId: string, askedBy: string): Visitor | undefined | Promise<Visitor | undefined> {
    return this.alive(sessionId, { id: sessionId }, askedBy);
  }

  /** Makes this process forget a session that is gone. Others find out when they read or store in it. */
  forget({ id, tokenHash }: Pick<ChatSession, 'id' | 'tokenHash'>): void {
    this.known.delete(id);
    this.known.delete(tokenHash.toString('latin1'));
  }

  /** @throws UnknownSession when it has expired or gone meanwhile */
  async get(sessionId: string): Promise<SessionState> {
    // Plain SQL, because this is a hot path and hydration would cost more than the query.
    const [session] = await this.transaction.query<SessionState>(
      `SELECT id, user_id AS "userId", custom_fields AS "customFields", created_at AS "createdAt",
          last_active_at AS "lastActiveAt"
         FROM chat_sessions WHERE tenant_id = $1 AND id = $2 AND last_active_at > $3`,
      [this.context.currentOrThrow('A chat session').id, sessionId, new Date(Date.now() - SESSION_IDLE_MS)],
    );
    if (!session) throw new UnknownSession();
    return session;
  }

  /**
   * Writes custom fields, one change after the other.
   *
   * @param changes by name; null takes a value away
   * @throws InvalidCustomField; UnknownSession when it has expired or gone meanwhile
   */
  async changeFields(sessionId: string, changes: GivenFields): Promise<SessionState> {
    return this.transaction.run(async () => {
      const where = { id: sessionId, lastActiveAt: MoreThan(new Date(Date.now() - SESSION_IDLE_MS)) };
      const session = await this.sessions.findOne({ where, lock: { mode: 'pessimistic_write' } });
      if (!session) throw new UnknownSession();
      const values = await changedFieldValues(this.settings.get(SESSION_FIELDS), session.customFields, changes);
      await this.sessions.update({ id: sessionId }, { customFields: values });
      return { ...session, customFields: values };
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.writes);
  }

  private alive(
    key: string,
    where: FindOptionsWhere<ChatSession>,
    askedBy?: string,
  ): Visitor | undefined | Promise<Visitor | undefined> {
    const tenantId = this.context.currentOrThrow('A chat session').id;
    const known = this.known.get(key);
    const now = Date.now();
    if (
      known?.tenantId === tenantId &&
      now - known.checkedAt < TRUST_MS &&
      now - known.lastActiveAt < SESSION_IDLE_MS
    ) {
      return this.noteActivity(known, now, askedBy);
    }
    return this.lookUp(where, tenantId, askedBy);
  }

  private async lookUp(
    where: FindOptionsWhere<ChatSession>,
    tenantId: string,
    askedBy: string | undefined,
  ): Promise<Visitor | undefined> {
    const now = Date.now();
    const session = await this.sessions.findOneBy(where);
    if (!session || now - session.lastActiveAt.getTime() >= SESSION_IDLE_MS) return undefined;
    const lastActiveAt = session.lastActiveAt.getTime();
    const { id: sessionId, tokenHash, userId } = session;
    const owner = userId === null ? {} : { userId };
    return this.noteActivity(this.remember(tokenHash, { sessionId, tenantId, lastActiveAt, ...owner }), now, askedBy);
  }

  private remember(tokenHash: Buffer, session: Omit<KnownSession, 'checkedAt'>): KnownSession {
    const known = { ...session, checkedAt: Date.now() };
    this.known.set(tokenHash.toString('latin1'), known);
    // Only signed-in callers name sessions by UUID; a visitor's would take up room for nothing.
    if (session.userId !== undefined) this.known.set(session.sessionId, known);
    return known;
  }

  /** @param askedBy who named the session by its UUID: anybody can, and only its user's asking is activity */
  private noteActivity(known: KnownSession, now: number, askedBy: string | undefined): Visitor {
    if (askedBy !== undefined && askedBy !== known.userId) return known;
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
