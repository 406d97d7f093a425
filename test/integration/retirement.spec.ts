import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { TenantRetirement } from '../../src/tenant/index.js';
import { outboxEmpty } from '../kit/people.js';
import { ROOT_ENV, secondInstance, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const GRACE_DAYS = 10;

let smtp: TestSmtp;
let t: TestApp;
let other: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  smtp = await startSmtp();
  t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url, TENANT_DELETION_GRACE_DAYS: String(GRACE_DAYS) });
  other = await secondInstance(t.database);
  admin = await signInAdmin(t);
});
afterAll(async () => {
  await other.close();
  await t.close();
  await smtp.close();
});

const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;
const read = async (slug: string) => (await admin.get(at(slug))).json;
const statusOf = async (slug: string): Promise<string> => (await read(slug)).status;
const owner = (slug: string) => `owner@${slug}.example`;
/** What the rules wrote; of what an admin does, owners hear as well. */
const subjects = (slug: string) =>
  smtp
    .to(owner(slug))
    .map(({ subject }) => subject?.replace(/ \w{3}, .*/, ''))
    .filter((subject) => !/was suspended$|is back in service$/.test(subject ?? ''));
const run = (app = t) => app.app.get(TenantRetirement).runDue();

/** Time passes for all that the rules look at. */
async function pass(days: number): Promise<void> {
  const by = `${days * 24} hours`;
  await t.database.admin(
    `UPDATE platform.tenants SET expires_at = expires_at - $1::interval, purge_after = purge_after - $1::interval,
            status_changed_at = status_changed_at - $1::interval`,
    [by],
  );
  await t.database.admin(
    `UPDATE platform.tenant_notices SET due_on = due_on - $1::interval, sent_at = sent_at - $1::interval,
            next_attempt_at = next_attempt_at - $1::interval`,
    [by],
  );
}

/** Day after day, with two processes at once. */
async function days(count: number, processes = [t, other]): Promise<void> {
  for (let day = 0; day < count; day += 1) {
    await pass(1);
    await Promise.all(processes.map((app) => run(app)));
  }
  await outboxEmpty(t);
}

interface Scene {
  plan?: string;
  kind?: string;
  /** Days from now. */
  ends?: number;
  status?: string;
}

/** A tenant with an owner, a disabled owner and a member. */
async function tenant(slug: string, { plan = 'free', kind = 'production', ends, status = 'active' }: Scene = {}) {
  const id = newId();
  await t.database.admin(
    `INSERT INTO platform.tenants (id, slug, name, plan, kind, status, expires_at)
     VALUES ($1, $2, $2, $3, $4, $5, now() + $6 * interval '24 hours')`,
    [id, slug, plan, kind, status, ends ?? null],
  );
  await t.database.admin('INSERT INTO platform.slugs (slug, tenant_id) VALUES ($1, $2)', [slug, id]);
  const people = [
    [owner(slug), 'owner', 'active'],
    [`former@${slug}.example`, 'owner', 'disabled'],
    [`member@${slug}.example`, 'member', 'active'],
  ];
  for (const [email, role, state] of people) {
    await t.database.admin(
      `INSERT INTO shared.users (tenant_id, id, email, email_key, name, role, status) VALUES ($1, $2, $3, $3, 'Quinn', $4, $5)`,
      [id, newId(), email, role, state],
    );
  }
  return id;
}

describe('a trial', () => {
  it('reminds its owners 7, 3 and 1 days before, ends by being suspended, and says so', async () => {
    await tenant('tryer', { kind: 'trial', ends: 14 });
    await days(6);
    expect(subjects('tryer')).toEqual([]);
    await days(2);
    expect(subjects('tryer')).toEqual(['The trial of tryer ends']);
    await days(4);
    expect(subjects('tryer')).toHaveLength(2);
    await days(1);
    expect([subjects('tryer').length, await statusOf('tryer')]).toEqual([3, 'active']);
    await days(1);
    expect(await read('tryer')).toMatchObject({ status: 'suspended', suspended_reason: 'The trial ended.' });
    expect(subjects('tryer').at(-1)).toBe('The trial of tryer has ended');
    await days(2);
    expect(subjects('tryer')).toHaveLength(4);
    for (const name of ['former', 'member']) expect(smtp.to(`${name}@tryer.example`)).toEqual([]);
    const users = await t.database.admin(`SELECT 1 FROM shared.users WHERE email LIKE '%@tryer.example'`);
    expect(users).toHaveLength(3);
  });

  it('that is converted does not end', async () => {
    await tenant('buyer', { kind: 'trial', ends: 8 });
    await days(2);
    expect(subjects('buyer')).toHaveLength(1);
    const converted = await admin.send('PATCH', at('buyer'), { kind: 'production' });
    expect(converted.json).toMatchObject({ kind: 'production', expires_at: null });
    await days(10);
    expect([subjects('buyer').length, await statusOf('buyer')]).toEqual([1, 'active']);
    const endless = await admin.send('PATCH', at('buyer'), { expires_at: '2030-01-01T00:00:00Z' });
    expect([endless.status, endless.json.errors[0].pointer]).toEqual([422, '/expires_at']);
    const again = (await admin.send('PATCH', at('buyer'), { kind: 'trial' })).json;
    expect((Date.parse(again.expires_at) - Date.now()) / 86_400_000).toBeCloseTo(14, 1);
  });

  it('that is extended is reminded of its new date, and one that is resumed goes on', async () => {
    await tenant('longer', { kind: 'trial', ends: 2 });
    await days(1);
    const later = new Date(Date.now() + 5 * 86_400_000).toISOString();
    await admin.send('PATCH', at('longer'), { expires_at: later });
    await days(4);
    expect([subjects('longer').length, await statusOf('longer')]).toEqual([3 + 1, 'active']);
    await days(1);
    expect(await statusOf('longer')).toBe('suspended');
    expect((await admin.send('POST', at('longer', '/resume'))).json).toMatchObject({
      status: 'active',
      expires_at: null,
    });
    await days(3);
    expect(await statusOf('longer')).toBe('active');
  });

  it('ends on its date also when no process was running before', async () => {
    await tenant('sleeper', { kind: 'trial', ends: 14 });
    await pass(30);
    await run();
    await outboxEmpty(t);
    expect([subjects('sleeper'), await statusOf('sleeper')]).toEqual([['The trial of sleeper has ended'], 'suspended']);
  });
});

describe('a tenant that nobody uses', () => {
  it('is archived, deleted and erased as its plan says, its owners told before each, once', async () => {
    const id = await tenant('idle');
    await admin.send('POST', at('idle', '/suspend'), { reason: 'A test' });
    const schedule = async () => (await admin.get(at('idle', '/schedule'))).json.items;
    expect(await schedule()).toMatchObject([{ act: 'archive', notices: [7, 1], sent: [] }]);
    await days(52);
    expect(subjects('idle')).toEqual([]);
    await days(2);
    expect(subjects('idle')).toEqual(['idle will be archived']);
    expect(await schedule()).toMatchObject([{ act: 'archive', sent: [7] }]);
    await days(5);
    expect([subjects('idle').length, await statusOf('idle')]).toEqual([2, 'suspended']);
    await days(1);
    expect(await statusOf('idle')).toBe('archived');

    expect(await schedule()).toMatchObject([{ act: 'schedule-deletion', notices: [7, 1], sent: [] }]);
    await days(85);
    expect(subjects('idle').slice(2)).toEqual(['idle will be deleted']);
    await days(4);
    expect(subjects('idle').slice(2)).toEqual(['idle will be deleted', 'idle will be deleted']);
    expect((await read('idle')).purge_after).toBeNull();
    await days(1);
    const scheduled = await read('idle');
    expect([scheduled.status, typeof scheduled.purge_after]).toEqual(['archived', 'string']);
    expect(await schedule()).toMatchObject([{ act: 'purge', at: scheduled.purge_after }]);

    await days(GRACE_DAYS - 1);
    expect(subjects('idle').slice(4)).toHaveLength(2);
    expect(await statusOf('idle')).toBe('archived');
    await days(1);
    expect(await statusOf('idle')).toBe('deleted');
    expect(subjects('idle')).toHaveLength(6);
    expect(await t.database.admin('SELECT 1 FROM platform.tenant_notices WHERE tenant_id = $1', [id])).toEqual([]);
    expect(await schedule()).toEqual([]);
    const events = await t.database.admin<{ event: string; actor_kind: string }>(
      `SELECT event, actor_kind FROM platform.audit_events WHERE tenant_id = $1 AND actor_kind = 'system' ORDER BY id`,
      [id],
    );
    expect(events.map(({ event }) => event)).toEqual(['tenant.archived', 'tenant.deletion_scheduled', 'tenant.purged']);
  });

  it('stays for as long as a plan without such rules is its plan', async () => {
    await tenant('vip', { plan: 'enterprise', status: 'suspended' });
    await days(1);
    await pass(3650);
    await run();
    await outboxEmpty(t);
    expect([subjects('vip'), await statusOf('vip')]).toEqual([[], 'suspended']);
  });

  it('that is restored starts anew', async () => {
    await tenant('phoenix', { status: 'suspended' });
    await pass(54);
    await days(10);
    expect([subjects('phoenix').length, await statusOf('phoenix')]).toEqual([2, 'archived']);
    await admin.send('POST', at('phoenix', '/restore'));
    await days(2);
    expect([subjects('phoenix').length, await statusOf('phoenix')]).toEqual([2, 'suspended']);
    await pass(52);
    await days(9);
    expect([subjects('phoenix').length, await statusOf('phoenix')]).toEqual([4, 'archived']);
  });

  it('is told in full before it is archived, however long no process was running', async () => {
    await tenant('forgotten', { status: 'suspended' });
    await pass(400);
    await days(1);
    expect([subjects('forgotten').length, await statusOf('forgotten')]).toEqual([1, 'suspended']);
    await pass(5);
    await run();
    await outboxEmpty(t);
    expect([subjects('forgotten').length, await statusOf('forgotten')]).toEqual([1, 'suspended']);
    await days(1);
    expect([subjects('forgotten').length, await statusOf('forgotten')]).toEqual([2, 'suspended']);
    await days(1);
    expect(await statusOf('forgotten')).toBe('archived');
  });

  it('forgets what was about to be sent when it is resumed first', async () => {
    const id = await tenant('back-in-time', { status: 'suspended' });
    await pass(54);
    await t.database.admin(
      `INSERT INTO platform.tenant_notices (id, tenant_id, act, days, due_on)
       SELECT gen_random_uuid(), id, 'archive', 7, status_changed_at + interval '1440 hours' FROM platform.tenants WHERE id = $1`,
      [id],
    );
    await admin.send('POST', at('back-in-time', '/resume'));
    await run();
    await outboxEmpty(t);
    expect(subjects('back-in-time')).toEqual([]);
  });
});

describe('a sandbox or training copy', () => {
  it.each(['sandbox', 'training'])(
    '(%s) is archived on its date and deleted as its plan says, without mail',
    async (kind) => {
      const slug = `copy-${kind}`;
      await tenant(slug, { kind, ends: 2 });
      await days(1);
      expect(await statusOf(slug)).toBe('active');
      await days(2);
      expect(await statusOf(slug)).toBe('archived');
      await pass(91);
      await days(1);
      expect((await read(slug)).purge_after).toEqual(expect.any(String));
      await days(GRACE_DAYS + 1);
      expect([await statusOf(slug), subjects(slug)]).toEqual(['deleted', []]);
    },
  );
});

describe('a run', () => {
  it('that died between a mail and its note sends nothing twice', async () => {
    const id = await tenant('crashed', { kind: 'trial', ends: 6 });
    await run();
    await t.database.admin(
      'UPDATE platform.tenant_notices SET sent_at = NULL, next_attempt_at = now() WHERE tenant_id = $1',
      [id],
    );
    await Promise.all([run(), run(other)]);
    await outboxEmpty(t);
    expect(subjects('crashed')).toEqual(['The trial of crashed ends']);
    const left = await t.database.admin(
      'SELECT 1 FROM platform.tenant_notices WHERE tenant_id = $1 AND sent_at IS NULL',
      [id],
    );
    expect(left).toEqual([]);
  });

  it('passes over a tenant that cannot be told, and archives it only once it was', async () => {
    const broken = await tenant('broken', { status: 'suspended' });
    await tenant('sound', { status: 'suspended' });
    await t.database.admin(`CREATE FUNCTION shared.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.tenant_id = '${broken}' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$`);
    await t.database.admin(
      'CREATE TRIGGER refuse BEFORE INSERT ON shared.sent_notices FOR EACH ROW EXECUTE FUNCTION shared.refuse()',
    );
    await pass(54);
    await days(10);
    expect([await statusOf('sound'), await statusOf('broken')]).toEqual(['archived', 'suspended']);
    await t.database.admin('DROP TRIGGER refuse ON shared.sent_notices');
    await days(9);
    expect([subjects('broken').length, await statusOf('broken')]).toEqual([2, 'archived']);
  });

  it('ends at once when it is told to, and does the rest the next time', async () => {
    await tenant('interrupted', { kind: 'trial', ends: 1 });
    await pass(2);
    const report = await t.app.get(TenantRetirement).runDue(AbortSignal.abort());
    expect(Object.values(report)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await statusOf('interrupted')).toBe('active');
    await run();
    expect(await statusOf('interrupted')).toBe('suspended');
  });

  it('of many tenants does each once, beside another', async () => {
    await t.database.admin(
      `INSERT INTO platform.tenants (id, slug, name, plan, kind, status, expires_at)
       SELECT gen_random_uuid(), 'many-' || n, 'many', 'free', 'trial', 'active', now() - interval '1 minute'
         FROM generate_series(1, 120) n`,
    );
    const [one, two] = await Promise.all([run(), run(other)]);
    expect(one.suspend + two.suspend).toBe(120);
    const events = await t.database.admin<{ n: number }>(
      `SELECT count(*)::int AS n FROM platform.audit_events e JOIN platform.tenants t ON t.id = e.tenant_id
        WHERE t.slug LIKE 'many-%' AND e.event = 'tenant.suspended'`,
    );
    expect(events[0]?.n).toBe(120);
    await t.database.admin(`DELETE FROM platform.tenants WHERE slug LIKE 'many-%'`);
  });
});

describe('the rules, in whatever order time, runs and admins come', () => {
  const HOUR = 1 / 24;
  const BEGINNINGS = ['active', 'active', 'suspended', 'suspended', 'archived', 'archived'];
  const turn = fc.record({
    hours: fc.oneof(fc.integer({ min: 0, max: 48 }), fc.integer({ min: 24, max: 24 * 15 })),
    runs: fc.integer({ min: 0, max: 2 }),
    ask: fc.option(fc.tuple(fc.constantFrom('suspend', 'resume', 'archive', 'restore'), fc.nat({ max: 4 })), {
      freq: 7,
    }),
  });

  interface Seen {
    id: string;
    slug: string;
    status: string;
    /** When it came to that status, and when its trial ends, in days. */
    since: number;
    ends: number | undefined;
    /** Notices that are out, and when that was seen first. */
    out: Map<string, { act: string; days: number; at: number }>;
  }

  const look = (ids: string[]) =>
    t.database.admin<{
      id: string;
      status: string;
      marks: number;
      notices: { id: string; act: string; days: number }[];
    }>(
      `SELECT t.id, CASE WHEN t.status = 'archived' AND t.purge_after IS NOT NULL THEN 'scheduled' ELSE t.status END AS status,
              (SELECT count(*)::int FROM shared.sent_notices s WHERE s.tenant_id = t.id
                  AND s.id NOT IN (SELECT id FROM jobs.job WHERE name = 'tenant.event')) AS marks,
              (SELECT coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'act', n.act, 'days', n.days)), '[]')
                 FROM platform.tenant_notices n WHERE n.tenant_id = t.id AND n.sent_at IS NOT NULL) AS notices
         FROM platform.tenants t WHERE t.id = ANY ($1)`,
      [ids],
    );

  /** What a rule has just done must have had its date and its notices. */
  function check({ since, ends, out }: Seen, became: string, now: number): void {
    const told = (act: string, before: number) =>
      [...out.values()].find((n) => n.act === act && n.days === before && n.at >= since - HOUR)?.at ?? Infinity;
    const inFull = (act: string, after: number) => {
      expect(now - since).toBeGreaterThanOrEqual(after - HOUR);
      expect(told(act, 1) - told(act, 7)).toBeGreaterThanOrEqual(6 - HOUR);
      expect(now - told(act, 1)).toBeGreaterThanOrEqual(1 - HOUR);
    };
    if (became === 'suspended') expect(now).toBeGreaterThanOrEqual((ends ?? Infinity) - HOUR);
    else if (became === 'archived') inFull('archive', 60);
    else if (became === 'scheduled') inFull('schedule', 90);
    else if (became === 'deleted') expect(now - since).toBeGreaterThanOrEqual(GRACE_DAYS - HOUR);
    else throw new Error(`No rule makes a tenant ${became}`);
  }

  it('skip no notice and act before no date', async () => {
    let made = 0;
    const acts = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 20, maxLength: 40 }), async (turns) => {
        const all: Seen[] = [];
        for (const status of BEGINNINGS) {
          const slug = `rule-${(made += 1)}`;
          const id = await tenant(slug, { kind: 'trial', ends: 14, status });
          all.push({ id, slug, status, since: 0, ends: 14, out: new Map() });
        }
        let now = 0;
        const settle = async (byRule: boolean) => {
          for (const { id, status, marks, notices } of await look(all.map((one) => one.id))) {
            const one = all.find((candidate) => candidate.id === id)!;
            for (const { id: notice, act, days: before } of notices) {
              if (!one.out.has(notice)) one.out.set(notice, { act, days: before, at: now });
            }
            if (status !== 'deleted') expect(marks).toBe(one.out.size);
            if (status === one.status) continue;
            if (byRule) check(one, status, now);
            if (byRule) acts.add(status);
            else if (one.ends !== undefined && one.ends <= now && status !== 'archived') one.ends = undefined;
            Object.assign(one, { status, since: now });
          }
        };
        for (const { hours, runs, ask } of turns) {
          await pass(hours * HOUR);
          now += hours * HOUR;
          if (ask) {
            const [what, index] = ask;
            await admin.send('POST', at(all[index]!.slug, `/${what}`), what === 'suspend' ? { reason: 'A test' } : {});
            await settle(false);
          }
          for (let n = 0; n < runs; n += 1) {
            await run();
            await settle(true);
          }
        }
        await t.database.admin(
          `UPDATE platform.tenants SET status = 'deleted', purge_after = NULL WHERE slug LIKE 'rule-%'`,
        );
      }),
      { numRuns: 6, endOnFailure: true },
    );
    // Whichever came up: the scenes above see to each.
    expect(acts.size).toBeGreaterThan(0);
  }, 240_000);
});
