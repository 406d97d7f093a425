import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatMessage } from '../../src/chat/index.js';
import {
  type Tenant,
  type TenantRepository,
  tenantRepositoryToken,
  TenantRunner,
  TenantTransaction,
} from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const ROWS = 2001;
const FILL = `INSERT INTO everywhere.chat_messages (tenant_id, id, session_id, role, content)
  SELECT tenant_id, gen_random_uuid(), id, 'user', 'hello' FROM everywhere.chat_sessions, generate_series(1, ${ROWS})
   WHERE tenant_id = $1`;

let t: TestApp;
let acme: Tenant;
let messages: TenantRepository<ChatMessage>;
let transaction: TenantTransaction;

/** What the plan of acme would set. */
function planned(plan: Record<string, unknown>): Tenant {
  return { ...acme, inherited: { plan, platform: {} } };
}
const within = <T>(tenant: Tenant, work: () => Promise<T>) => t.app.get(TenantRunner).run(tenant, work);

beforeAll(async () => {
  t = await createTestApp();
  acme = await t.tenant('acme');
  await t.session('acme');
  messages = t.app.get(tenantRepositoryToken(ChatMessage));
  transaction = t.app.get(TenantTransaction);
  await t.database.admin(FILL, [acme.id]);
});
afterAll(() => t?.close());

describe("a statement of acme's", () => {
  let hasty: Tenant;
  beforeEach(() => void (hasty = planned({ 'limits.statement_timeout_ms': 100 })));

  it.each([
    ['alone', (work: () => Promise<unknown>) => work()],
    ['first in a unit of work', (work: () => Promise<unknown>) => transaction.run(work)],
    [
      'later in a unit of work',
      (work: () => Promise<unknown>) => transaction.run(() => transaction.query('SELECT 1').then(work)),
    ],
  ])('is stopped when it takes longer than the plan allows, %s', async (_name, run) => {
    const slow = () => run(() => transaction.query('SELECT pg_sleep(20)'));
    await expect(within(hasty, slow)).rejects.toMatchObject({
      code: 'statement_timeout',
      status: 503,
      message: expect.stringContaining('100 ms'),
    });
    // Nothing of it stays on the connection for those who come next.
    await within(acme, () => transaction.query('SELECT pg_sleep(0.3)'));
    const shown = await within(acme, () => transaction.query('SHOW statement_timeout'));
    expect(shown).toEqual([{ statement_timeout: '30s' }]);
  });

  it('is told apart from one that somebody has canceled', async () => {
    const victim = within(hasty, () => transaction.query('SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(20)'));
    await expect(victim).rejects.not.toMatchObject({ code: 'statement_timeout' });
    await expect(victim).rejects.toMatchObject({ driverError: { code: '57014' } });
  });
});

describe("a query of acme's", () => {
  let small: Tenant;
  beforeEach(() => void (small = planned({ 'limits.max_rows': 2000 })));
  const query = () => messages.createQueryBuilder('message');

  it.each([
    ['find', () => messages.find()],
    ['findBy', () => messages.findBy({ role: 'user' })],
    ['find with more than that', () => messages.find({ take: 5000 })],
    ['getMany', () => query().getMany()],
    ['getMany with a join', () => query().innerJoinAndSelect('message.session', 'session').getMany()],
    ['getRawMany', () => query().select('message.id').getRawMany()],
    ['getManyAndCount', () => query().limit(2001).getManyAndCount()],
  ])('reads no more than the plan allows, by %s', async (_name, read) => {
    await expect(within(small, read)).rejects.toMatchObject({ code: 'result_too_large', status: 422 });
    await expect(within(acme, read)).resolves.toBeTruthy();
  });

  it('reads pages, counts and looks into subqueries of any size', async () => {
    await within(small, async () => {
      expect(await messages.find({ take: 2000 })).toHaveLength(2000);
      expect(await messages.find({ skip: 2000 })).toHaveLength(1);
      expect(await query().offset(1).limit(2000).getMany()).toHaveLength(2000);
      expect(await messages.count()).toBe(ROWS);
      expect(await messages.exists({ role: 'user' })).toBe(true);
      const all = query().select('message.id');
      const [found] = await query()
        .select('count(*)::int', 'n')
        .where(`message.id IN (${all.getQuery()})`)
        .setParameters(all.getParameters())
        .getRawMany<{ n: number }>();
      expect(found?.n).toBe(ROWS);
    });
  });
});
