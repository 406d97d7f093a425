import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../audit/index.js';
import { UnknownSession } from '../auth/index.js';
import { isUuid, type Page } from '../common/index.js';
import { type FieldQuery, fieldFiltersOf, SESSION_FIELDS, whereFields } from '../fields/index.js';
import { TenantSettings } from '../settings/index.js';
import { InjectTenantRepository, TenantCursors, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { ChatSession } from './chat-session.entity.js';
import { SESSION_IDLE_MS, SessionService } from './session.service.js';

/** The sessions of the tenant's users, for those who may see them. */
@Injectable()
export class SessionList {
  constructor(
    @InjectTenantRepository(ChatSession) private readonly rows: TenantRepository<ChatSession>,
    private readonly sessions: SessionService,
    private readonly cursors: TenantCursors,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly settings: TenantSettings,
  ) {}

  /**
   * Sessions that are alive, newest first.
   *
   * @param userId whose; undefined for everybody's, visitors' included
   * @param recorded whether the audit log must hold it before anybody sees the answer
   * @param fields what is asked of custom fields
   * @throws CursorInvalid, InvalidFieldFilter
   */
  async page(
    userId: string | undefined,
    limit: number,
    cursor: string | undefined,
    recorded: boolean,
    fields: FieldQuery = [],
  ): Promise<Page<ChatSession>> {
    const list = `sessions:${userId ?? 'all'}`;
    const before = this.cursors.open(list, cursor);
    const query = this.rows
      .createQueryBuilder('session')
      .where('session.lastActiveAt > :alive', { alive: new Date(Date.now() - SESSION_IDLE_MS) })
      .orderBy('session.id', 'DESC')
      .limit(limit + 1);
    if (userId !== undefined) query.andWhere('session.userId = :userId', { userId });
    if (before !== undefined) query.andWhere('session.id < :before', { before });
    whereFields(query, 'session.customFields', fieldFiltersOf(this.settings.get(SESSION_FIELDS), fields));
    if (recorded) {
      await this.audit.record({
        event: 'session.read-any',
        target: { kind: 'session' },
        details: userId === undefined ? { all: true } : { user: userId },
      });
    }
    return this.cursors.page(list, await query.getMany(), limit, ({ id }) => id);
  }

  /**
   * Deletes a session with its messages.
   *
   * @param userId whose it must be
   * @throws UnknownSession
   */
  async remove(sessionId: string, userId: string): Promise<void> {
    if (!isUuid(sessionId)) throw new UnknownSession();
    await this.transaction.run(async () => {
      const session = await this.rows.findOneBy({ id: sessionId, userId });
      if (!session || (await this.rows.delete({ id: sessionId, userId })) === 0) throw new UnknownSession();
      await this.audit.record({ event: 'session.deleted', target: { kind: 'session', id: sessionId } });
      this.transaction.afterCommit(() => this.sessions.forget(session));
    });
  }
}
