import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { CursorInvalid, type Page } from '../common/index.js';
import { CredentialCodec, InjectPlatformDataSource, type TenantStatus } from '../tenancy/index.js';
import { type Plan, PLANS } from './plans.js';
import { TENANT_KINDS, TENANT_STATUSES, type TenantKind, type TenantRecord } from './tenant.record.js';

/** What to look for; all that are given must hold. */
export interface TenantFilter {
  status?: TenantStatus[];
  plan?: Plan[];
  kind?: TenantKind[];
  /** Beginnings of words of slug or name. */
  q?: string;
}

export interface TenantPage extends Page<TenantRecord> {
  /** Only when asked for: it counts all that match. */
  total?: number;
}

const COLUMNS = `t.id, t.slug, t.name, t.plan, t.status, t.kind, t.placement, t.settings, t.revision, t.status_changed_at,
  t.suspended_reason, t.expires_at, t.purge_after, t.created_at, t.updated_at`;

const ALL = `SELECT ${COLUMNS} FROM tenants t WHERE id < $1 ORDER BY id DESC LIMIT $2`;
/** Each combination of values is one short walk along the index, so no filter is slow because few tenants meet it. */
const BY_STATE = `SELECT ${COLUMNS} FROM unnest($3::text[]) AS s (status), unnest($4::text[]) AS p (plan),
    unnest($5::text[]) AS k (kind), LATERAL (
      SELECT t.* FROM tenants t WHERE t.status = s.status AND t.plan = p.plan AND t.kind = k.kind AND t.id < $1
       ORDER BY t.id DESC LIMIT $2) t
  ORDER BY t.id DESC LIMIT $2`;
const BY_TEXT = `SELECT ${COLUMNS} FROM tenants t WHERE t.search @@ to_tsquery('simple', $6) AND t.status = ANY ($3)
    AND t.plan = ANY ($4) AND t.kind = ANY ($5) AND t.id < $1 ORDER BY t.id DESC LIMIT $2`;
const COUNT = `SELECT count(*)::int AS total FROM tenants t WHERE t.status = ANY ($1) AND t.plan = ANY ($2)
    AND t.kind = ANY ($3) AND ($4::text IS NULL OR t.search @@ to_tsquery('simple', $4))`;

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Cursors of the control plane's lists belong to no tenant. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000';
const CURSOR_OWNER = 'tenants';

/** Lists tenants, newest first, from indexes alone. */
@Injectable()
export class TenantQuery {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly credentials: CredentialCodec,
  ) {}

  /**
   * @param limit tenants to a page
   * @param total whether to count all that match
   * @throws CursorInvalid
   */
  async list(filter: TenantFilter, limit: number, cursor?: string, total = false): Promise<TenantPage> {
    const before = cursor === undefined ? LAST_ID : this.credentials.openCursor(NO_TENANT, CURSOR_OWNER, cursor);
    if (before === undefined) throw new CursorInvalid();
    const states = [filter.status ?? TENANT_STATUSES, filter.plan ?? PLANS, filter.kind ?? TENANT_KINDS] as const;
    const words = filter.q === undefined ? undefined : tsqueryOf(filter.q);
    // Nothing but punctuation is in no name.
    if (words === '') return { items: [], next_cursor: null, ...(total && { total: 0 }) };
    const rows = await this.rows(filter, states, words, before, limit + 1);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const more = rows.length > limit && last !== undefined;
    return {
      items,
      next_cursor: more ? this.credentials.sealCursor(NO_TENANT, CURSOR_OWNER, last.id) : null,
      ...(total && { total: await this.count(states, words) }),
    };
  }

  private rows(
    filter: TenantFilter,
    states: readonly (readonly string[])[],
    words: string | undefined,
    before: string,
    rows: number,
  ): Promise<TenantRecord[]> {
    if (words !== undefined) return this.platform.query(BY_TEXT, [before, rows, ...states, words]);
    if (filter.status ?? filter.plan ?? filter.kind) return this.platform.query(BY_STATE, [before, rows, ...states]);
    return this.platform.query(ALL, [before, rows]);
  }

  private async count(states: readonly (readonly string[])[], words: string | undefined): Promise<number> {
    const rows = await this.platform.query<{ total: number }[]>(COUNT, [...states, words ?? null]);
    return rows[0]?.total ?? 0;
  }
}

/** Every word as a beginning; nothing of the text reaches the query language. */
function tsqueryOf(text: string): string {
  const words = text.normalize('NFKC').match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.map((word) => `'${word}':*`).join(' & ');
}
