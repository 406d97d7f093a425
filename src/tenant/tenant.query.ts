import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { HIGHEST_ID, type Page } from '../common/index.js';
import { InjectPlatformDataSource, PlatformCursors, type TenantStatus } from '../tenancy/index.js';
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
  t.suspended_reason, t.expires_at, t.source_tenant_id, t.holder_tenant_id, t.with_data,
  t.purge_after, t.created_at, t.updated_at`;

const IN_STATE = 't.status = ANY ($3) AND t.plan = ANY ($4) AND t.kind = ANY ($5)';
/** Every combination of the values of a filter. */
const STATES = `unnest($3::text[]) AS s (status), unnest($4::text[]) AS p (plan), unnest($5::text[]) AS k (kind)`;
/** Words come as [from, to) pairs of texts: whatever begins like one of them lies between. */
const HAS_WORDS = `NOT EXISTS (SELECT 1 FROM unnest($6::text[], $7::text[]) AS wanted (low, high) WHERE NOT EXISTS (
    SELECT 1 FROM tenant_words w WHERE w.tenant_id = t.id AND w.word >= wanted.low AND w.word < wanted.high))`;
/** Words of a search that are looked at. */
const MAX_WORDS = 8;
/** Fewer than this are few enough to look at each. */
const FEW = 2000;
/** So few are found before counting them costs anything. */
const VERY_FEW = 200;
/** Of the newest tenants so many are looked at before anything is counted. */
const RECENT = 100;

const ALL = `SELECT ${COLUMNS} FROM tenants t WHERE t.id < $1 ORDER BY t.id DESC LIMIT $2`;
/**
 * Each combination of values is one short walk along `tenants_by_state`, so no filter is slow because few tenants meet
 * it. The walk is told as a comparison of rows, in an order that only this index has: told as equations, PostgreSQL may
 * walk the primary key instead, to its end where nobody is in a state.
 */
const BY_STATE = `SELECT ${COLUMNS} FROM ${STATES}, LATERAL (
      SELECT t.* FROM tenants t WHERE (t.status, t.plan, t.kind, t.id) < (s.status, p.plan, k.kind, $1::uuid)
       ORDER BY t.status DESC, t.plan DESC, t.kind DESC, t.id DESC LIMIT $2) t
  WHERE t.status = s.status AND t.plan = p.plan AND t.kind = k.kind ORDER BY t.id DESC LIMIT $2`;
/**
 * What many tenants have fills a page among the newest, at little cost and whatever their number. Of the others, a search
 * goes the way on which there is least to look at: from the tenants with the rarest of the words if they are few, else
 * from those in the states if they are few, else from the newest back.
 */
const FROM_RECENT = `WITH recent AS MATERIALIZED (
    SELECT t.* FROM tenants t WHERE t.id < $1 ORDER BY t.id DESC LIMIT ${RECENT})
  SELECT (SELECT count(*) FROM recent) < ${RECENT} AS whole, ${COLUMNS} FROM recent t WHERE ${IN_STATE} AND ${HAS_WORDS}
   ORDER BY t.id DESC LIMIT $2`;
/**
 * Answers with one row more, which says whether there were fewer than $8 of them, as does the next. Each hit is looked up by its id: the
 * planner cannot know that they are few, and would rather walk all tenants.
 */
const FROM_WORD = `WITH rarest AS MATERIALIZED (
    SELECT wanted.low, wanted.high, (SELECT count(*) FROM (
        SELECT 1 FROM tenant_words w WHERE w.word >= wanted.low AND w.word < wanted.high LIMIT $8) w) AS number
      FROM unnest($6::text[], $7::text[]) AS wanted (low, high) ORDER BY 3 LIMIT 1), hits AS MATERIALIZED (
    SELECT DISTINCT w.tenant_id AS id FROM rarest JOIN tenant_words w ON w.word >= rarest.low AND w.word < rarest.high
     WHERE rarest.number < $8 AND w.tenant_id < $1)
  SELECT rarest.number < $8 AS whole, page.* FROM rarest LEFT JOIN LATERAL (
    SELECT t.* FROM (SELECT id FROM hits ORDER BY id DESC) hit, LATERAL (
      SELECT ${COLUMNS} FROM tenants t WHERE t.id = hit.id AND ${IN_STATE} AND ${HAS_WORDS} OFFSET 0) t
     ORDER BY hit.id DESC LIMIT $2) page ON true ORDER BY page.id DESC`;
const FROM_STATE = `WITH hits AS MATERIALIZED (
    SELECT t.id FROM ${STATES}, LATERAL (
      SELECT t.id FROM tenants t WHERE t.status = s.status AND t.plan = p.plan AND t.kind = k.kind AND t.id < $1
       LIMIT ${FEW}) t LIMIT ${FEW}), whole AS (
    SELECT count(*) < ${FEW} AS whole FROM hits)
  SELECT whole.whole, page.* FROM whole LEFT JOIN LATERAL (
    SELECT ${COLUMNS} FROM tenants t WHERE whole.whole AND t.id IN (SELECT id FROM hits) AND ${HAS_WORDS}
     ORDER BY t.id DESC LIMIT $2) page ON true ORDER BY page.id DESC`;
const FROM_NEWEST = `SELECT ${COLUMNS} FROM tenants t WHERE t.id < $1 AND ${IN_STATE} AND ${HAS_WORDS}
  ORDER BY t.id DESC LIMIT $2`;
const COUNT = `SELECT count(*)::int AS total FROM tenants t WHERE t.status = ANY ($1) AND t.plan = ANY ($2)
    AND t.kind = ANY ($3)`;
const COUNT_WORDS = `SELECT count(*)::int AS total FROM tenants t
  WHERE $1::uuid IS NOT NULL AND $2::int IS NOT NULL AND ${IN_STATE} AND ${HAS_WORDS}`;

/** What cursors are sealed with. */
const LIST = 'tenants';

/** Lists tenants, newest first, from indexes alone. */
@Injectable()
export class TenantQuery {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly cursors: PlatformCursors,
  ) {}

  /**
   * @param limit tenants to a page
   * @param total whether to count all that match
   * @throws CursorInvalid
   */
  async list(filter: TenantFilter, limit: number, cursor?: string, total = false): Promise<TenantPage> {
    const before = this.cursors.open(LIST, cursor) ?? HIGHEST_ID;
    const states = [filter.status ?? TENANT_STATUSES, filter.plan ?? PLANS, filter.kind ?? TENANT_KINDS] as const;
    const words = filter.q === undefined ? undefined : wordsOf(filter.q);
    // Nothing but punctuation is in no name.
    if (words?.length === 0) return { items: [], next_cursor: null, ...(total && { total: 0 }) };
    const rows = await this.rows(filter, states, words, before, limit + 1);
    return {
      ...this.cursors.page(LIST, rows, limit, ({ id }) => id),
      ...(total && { total: await this.count(states, words) }),
    };
  }

  private async rows(
    filter: TenantFilter,
    states: States,
    words: string[] | undefined,
    before: string,
    rows: number,
  ): Promise<TenantRecord[]> {
    const filtered = (filter.status ?? filter.plan ?? filter.kind) !== undefined;
    if (words === undefined) {
      return filtered
        ? this.platform.query(BY_STATE, [before, rows, ...states])
        : this.platform.query(ALL, [before, rows]);
    }
    const parameters = [before, rows, ...states, ...rangesOf(words)];
    const page =
      (await this.wholePage(FROM_RECENT, parameters, rows)) ??
      (await this.wholePage(FROM_WORD, [...parameters, VERY_FEW], rows)) ??
      (await this.wholePage(FROM_WORD, [...parameters, FEW], rows)) ??
      (filtered ? await this.wholePage(FROM_STATE, parameters, rows) : undefined);
    if (page) return page;
    return this.platform.query(FROM_NEWEST, parameters);
  }

  /** @returns undefined when there may be more than what was looked at */
  private async wholePage(sql: string, parameters: unknown[], full: number): Promise<TenantRecord[] | undefined> {
    const rows = await this.platform.query<({ whole: boolean } & (TenantRecord | { id: null }))[]>(sql, parameters);
    if (rows.length < full && !rows[0]?.whole) return undefined;
    return rows.flatMap(({ whole: _, ...row }) => (row.id === null ? [] : [row]));
  }

  private async count(states: States, words: string[] | undefined): Promise<number> {
    const [counted] = words
      ? await this.platform.query<{ total: number }[]>(COUNT_WORDS, [HIGHEST_ID, 0, ...states, ...rangesOf(words)])
      : await this.platform.query<{ total: number }[]>(COUNT, [...states]);
    return counted?.total ?? 0;
  }
}

type States = readonly (readonly string[])[];

function wordsOf(text: string): string[] {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words)].slice(0, MAX_WORDS);
}

/** For each word the texts between which all lie that begin with it. */
function rangesOf(words: string[]): [low: string[], high: string[]] {
  return [words, words.map((word) => `${word}\u{10FFFF}`)];
}
