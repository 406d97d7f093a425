import type { TenantKind } from '../tenant.record.js';

/** What the rules do to tenants by themselves. */
export const ACTS = ['suspend', 'archive', 'schedule', 'purge', 'roll-back'] as const;
export type Act = (typeof ACTS)[number];

/** Kinds whose owners are told. The people in a sandbox or a training copy are not real, or did not ask for mail. */
export const MAILED_KINDS: readonly TenantKind[] = ['production', 'trial'];
/** Kinds that end by being archived; a trial is suspended. */
const COPIES = `('sandbox', 'training')`;
/** Of a copy whose plan keeps archived tenants for ever. */
const COPY_PURGE_DAYS = 30;

interface Rule {
  /** Days before the act on which the owners are told, first to last. */
  notices: readonly number[];
  /**
   * Whether the act waits until every notice has been out for as long as it promises. Otherwise it keeps its date, which
   * a person has set or been told, and what could not be sent in time is left out.
   */
  waits: boolean;
  /** Tenants `t` with their plan `p` that it applies to, at some time. */
  where: string;
  /** When. */
  due: string;
  /** Days from the beginning of what ends so; a notice that would have come before that is left out. */
  span: string;
}

const days = (column: string): string => `p.${column} * interval '24 hours'`;

/** What comes by itself, and when. All SQL of the rules is made from these texts, which nothing from outside reaches. */
export const RULES: Record<Act, Rule> = {
  suspend: {
    notices: [7, 3, 1],
    waits: false,
    where: `t.status = 'active' AND t.kind = 'trial' AND t.expires_at IS NOT NULL`,
    due: 't.expires_at',
    span: 'p.trial_days',
  },
  archive: {
    notices: [7, 1],
    waits: true,
    where: `(t.status = 'suspended' AND p.archive_after_days IS NOT NULL
      OR t.status IN ('active', 'suspended') AND t.kind IN ${COPIES} AND t.expires_at IS NOT NULL)`,
    due: `least(CASE WHEN t.status = 'suspended' THEN t.status_changed_at + ${days('archive_after_days')} END,
      CASE WHEN t.kind IN ${COPIES} THEN t.expires_at END)`,
    span: 'coalesce(p.archive_after_days, 7)',
  },
  schedule: {
    notices: [7, 1],
    waits: true,
    // Copies are not kept for ever, whatever the plan says of tenants.
    where: `t.status = 'archived' AND t.purge_after IS NULL
      AND (p.purge_after_days IS NOT NULL OR t.kind IN ${COPIES})`,
    due: `t.status_changed_at + coalesce(p.purge_after_days, ${COPY_PURGE_DAYS}) * interval '24 hours'`,
    span: `coalesce(p.purge_after_days, ${COPY_PURGE_DAYS})`,
  },
  purge: {
    notices: [7, 1],
    waits: false,
    where: `t.status = 'archived' AND t.purge_after IS NOT NULL`,
    due: 't.purge_after',
    span: '3650',
  },
  // Nobody was ever served in it, so there is nobody to tell.
  'roll-back': {
    notices: [],
    waits: false,
    where: `t.status = 'failed'
      AND NOT EXISTS (SELECT 1 FROM provisionings r WHERE r.tenant_id = t.id AND r.state = 'undoing')`,
    due: `least(t.status_changed_at + ${days('roll_back_after_days')}, CASE WHEN t.kind IN ${COPIES} THEN t.expires_at END)`,
    span: 'p.roll_back_after_days',
  },
};

/** The tenants that an act lies ahead of, or is due for. */
export function candidates(act: Act): string {
  const { where, due, span } = RULES[act];
  return `SELECT t.id AS tenant_id, t.kind, ${due} AS due_on, ${span} AS span
    FROM tenants t JOIN plans p ON p.name = t.plan WHERE ${where}`;
}

const notice = (act: Act, more: string): string => `EXISTS (SELECT 1 FROM tenant_notices n
  WHERE n.tenant_id = c.tenant_id AND n.act = '${act}' AND n.due_on = c.due_on AND ${more})`;

/** Condition on a candidate `c`: the notice of so many days before has been out for `since` days. */
const isOut = (act: Act, step: number, since: number): string =>
  notice(act, `n.days = ${step} AND n.sent_at <= now() - interval '${since * 24} hours'`);

/**
 * Writes down the notices of a step that are to be sent now, those of the nearest date first.
 * $1 kinds that are mailed, $2 at most so many
 */
export function planNotices(act: Act, step: number): string {
  const { notices, waits } = RULES[act];
  const at = notices.indexOf(step);
  const [before, after] = [notices[at - 1], notices[at + 1] ?? 0];
  const inOrder = before === undefined ? 'true' : `(${before} > c.span OR ${isOut(act, before, before - step)})`;
  const inTime = `now() < c.due_on - interval '${after * 24} hours'`;
  return `INSERT INTO tenant_notices (id, tenant_id, act, days, due_on)
    SELECT gen_random_uuid(), c.tenant_id, '${act}', ${step}, c.due_on FROM (${candidates(act)}) c
     WHERE c.kind = ANY ($1) AND c.span >= ${step} AND now() >= c.due_on - interval '${step * 24} hours'
       AND ${waits ? inOrder : inTime} AND NOT ${notice(act, `n.days = ${step}`)}
     ORDER BY c.due_on, c.tenant_id LIMIT $2
    ON CONFLICT ON CONSTRAINT tenant_notices_key DO NOTHING`;
}

const last = (act: Act): number => RULES[act].notices.at(-1) ?? 0;

/** Condition on a candidate `c`: it is time, and whoever is to be told was. $1 kinds that are mailed */
const isDue = (act: Act): string =>
  `c.due_on <= now() AND (c.kind <> ALL ($1) OR ${RULES[act].waits ? isOut(act, last(act), last(act)) : 'true'})`;

/** Tenants that an act is due for. $1 kinds that are mailed, $2 at most so many */
export const due = (act: Act): string =>
  `SELECT c.tenant_id FROM (${candidates(act)}) c WHERE ${isDue(act)} ORDER BY c.due_on, c.tenant_id LIMIT $2`;

/** Whether it still is for one of them, and since when. $1 kinds that are mailed, $2 the tenant */
export const stillDue = (act: Act): string =>
  `SELECT c.due_on::text AS due_on FROM (${candidates(act)}) c WHERE c.tenant_id = $2 AND ${isDue(act)}`;

/** Forgets notices that wait and whose reason is gone: the tenant was resumed or restored, or its date moved. */
export const dropStale = (act: Act): string =>
  `DELETE FROM tenant_notices n WHERE n.sent_at IS NULL AND n.act = '${act}' AND NOT EXISTS (
     SELECT 1 FROM (${candidates(act)}) c WHERE c.tenant_id = n.tenant_id AND c.due_on = n.due_on)`;

/** What lies ahead of one tenant, and which notices of it are out. $1 the tenant, $2 kinds that are mailed */
export const SCHEDULE = `${ACTS.map(
  (act) =>
    `SELECT '${act}' AS act, c.due_on AS at, c.kind = ANY ($2) AS told,
            ARRAY(SELECT n.days FROM tenant_notices n WHERE n.tenant_id = c.tenant_id AND n.act = '${act}'
                     AND n.due_on = c.due_on AND n.sent_at IS NOT NULL ORDER BY n.days DESC) AS sent
       FROM (${candidates(act)}) c WHERE c.tenant_id = $1`,
).join(' UNION ALL ')} ORDER BY at`;
