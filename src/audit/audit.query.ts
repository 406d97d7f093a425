import { Injectable } from '@nestjs/common';
import { firstIdAt, type Page } from '../common/index.js';
import {
  type ActorKind,
  InjectTenantRepository,
  TenantCursors,
  type TenantRepository,
  TenantRunner,
} from '../tenancy/index.js';
import { TenantAuditEvent } from './tenant-audit-event.entity.js';

/** What to look for; all that are given must hold. */
export interface AuditFilter {
  /** A whole event or the beginning of one: `user.` finds `user.created`. */
  event?: string;
  actorKind?: ActorKind;
  actorId?: string;
  targetKind?: string;
  targetId?: string;
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  to?: Date;
}

/** Events read at once for an export; what is in memory is at most a few times this. */
const EXPORT_PAGE = 500;
/** What cursors are sealed with. */
const LIST = 'audit';
/** Sorts after everything that begins with the same text, in the column's byte order. */
const LAST_CHARACTER = '\u{10FFFF}';

/** Reads the current tenant's log, newest first. */
@Injectable()
export class AuditQuery {
  constructor(
    @InjectTenantRepository(TenantAuditEvent) private readonly events: TenantRepository<TenantAuditEvent>,
    private readonly runner: TenantRunner,
    private readonly cursors: TenantCursors,
  ) {}

  /**
   * @param limit events to a page
   * @throws CursorInvalid
   */
  async list(filter: AuditFilter, limit: number, cursor?: string): Promise<Page<TenantAuditEvent>> {
    const rows = await this.read(filter, limit + 1, this.cursors.open(LIST, cursor));
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /**
   * Every matching event, in pages. Each page is a transaction of its own, read when it is asked for, in the scope that
   * is open now: whoever asks may be in another or in none.
   *
   * @returns once the first page is read, so that what fails early can still be answered as an error
   */
  async export(filter: AuditFilter): Promise<AsyncGenerator<TenantAuditEvent[]>> {
    const read = this.runner.bind((before?: string) => this.read(filter, EXPORT_PAGE, before));
    return pagesFrom(await read(), read);
  }

  private read(filter: AuditFilter, limit: number, before: string | undefined): Promise<TenantAuditEvent[]> {
    const query = this.events.createQueryBuilder('event').orderBy('event.id', 'DESC').limit(limit);
    const { event, actorKind, actorId, targetKind, targetId, from, to } = filter;
    // A range and not LIKE, which is not leakproof: row-level security would keep it from the index.
    if (event !== undefined) {
      query.andWhere('event.event >= :event AND event.event < :eventEnd', {
        event,
        eventEnd: event + LAST_CHARACTER,
      });
    }
    if (actorKind !== undefined) query.andWhere('event.actorKind = :actorKind', { actorKind });
    if (actorId !== undefined) query.andWhere('event.actorId = :actorId', { actorId });
    if (targetKind !== undefined) query.andWhere('event.targetKind = :targetKind', { targetKind });
    if (targetId !== undefined) query.andWhere('event.targetId = :targetId', { targetId });
    // Times are in the ids, so the key serves them.
    if (from !== undefined) query.andWhere('event.id >= :from', { from: firstIdAt(from) });
    if (to !== undefined) query.andWhere('event.id < :to', { to: firstIdAt(to) });
    if (before !== undefined) query.andWhere('event.id < :before', { before });
    return query.getMany();
  }
}

async function* pagesFrom(
  first: TenantAuditEvent[],
  read: (before: string) => Promise<TenantAuditEvent[]>,
): AsyncGenerator<TenantAuditEvent[]> {
  for (let page = first; ;) {
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < EXPORT_PAGE) return;
    page = await read(last.id);
  }
}
