import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProvisioningSteps, type StepName } from '../../src/tenant/index.js';
import { addServer, sqlAt, type TestServer } from '../kit/places.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { runSql } from '../kit/scratch-server.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { whatIsLeft } from '../kit/what-is-left.js';

const JINX = { owner: { email: 'jinx@example.com' } };
const eventually = { timeout: 30_000, interval: 50 };
const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;

let t: TestApp;
let admin: SignedInAdmin;
beforeAll(async () => {
  t = await createTestApp(ROOT_ENV);
  admin = await signInAdmin(t);
  await t.database.admin(`CREATE FUNCTION shared.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.email = 'jinx@example.com' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$`);
});
afterEach(() => breakOwners(false));
afterAll(() => t.close());

/** While broken, an owner of that address cannot be stored. */
async function breakOwners(broken: boolean): Promise<void> {
  await t.database.admin('DROP TRIGGER IF EXISTS refuse ON shared.invitations');
  if (!broken) return;
  await t.database.admin(
    'CREATE TRIGGER refuse BEFORE INSERT ON shared.invitations FOR EACH ROW EXECUTE FUNCTION shared.refuse()',
  );
}

interface Hung {
  /** How many workers have hung so far. */
  count(): number;
  /** Lets one of them go on, first to last, and waits until it has come to its end, whatever that is. */
  goOn(index: number): Promise<void>;
  /** Lets it go on. @returns what it failed with, if it did */
  release(index: number): Promise<unknown>;
}

/** Has workers hang as they begin a step of one tenant, as often as said. */
function hang(slug: string, step: StepName, times: number, timeoutMs?: number): Hung {
  const steps = t.app.get(ProvisioningSteps);
  const find = steps.find.bind(steps);
  const hung: { goOn: () => void; ended: Promise<unknown> }[] = [];
  steps.find = (name) => {
    const registered = find(name);
    if (name !== step || hung.length === times) return registered;
    return {
      timeoutMs: timeoutMs ?? registered.timeoutMs,
      handler: (run) => {
        if (run.tenant.slug !== slug || hung.length === times) return registered.handler(run);
        let goOn = (): void => undefined;
        const work = new Promise<void>((resolve) => (goOn = resolve)).then(() => registered.handler(run));
        hung.push({ goOn, ended: work.catch((error: Error) => error) });
        return work;
      },
    };
  };
  return {
    count: () => hung.length,
    release: (index) => {
      hung[index]!.goOn();
      return hung[index]!.ended;
    },
    goOn: async (index) => {
      hung[index]!.goOn();
      expect(await hung[index]!.ended).toMatchObject({ name: 'LeaseLost' });
      await new Promise((resolve) => setTimeout(resolve, 300));
    },
  };
}

const idOf = async (slug: string): Promise<string> => (await admin.get(at(slug))).json.id;
const progress = async (slug: string) => (await admin.get(at(slug))).json.provisioning;
const stateOf = async (slug: string, step: StepName): Promise<string> =>
  (await progress(slug)).steps.find(({ name }: { name: string }) => name === step).state;
const invitations = (id: string) => t.database.admin('SELECT id FROM shared.invitations WHERE tenant_id = $1', [id]);
/** As when whoever has the tenant was silent for longer than the lease. */
const leaseRunsOut = (id: string) =>
  t.database.admin('UPDATE platform.provisionings SET next_attempt_at = now() WHERE tenant_id = $1', [id]);

/** In place of waiting for the next attempt. */
async function untilFailed(slug: string): Promise<void> {
  const id = await idOf(slug);
  const hurry = setInterval(
    () =>
      void t.database.admin(
        'UPDATE platform.provisionings SET next_attempt_at = now() WHERE tenant_id = $1 AND lease IS NULL AND attempts > 0',
        [id],
      ),
    100,
  );
  try {
    await untilStatus(admin, slug, 'failed');
  } finally {
    clearInterval(hurry);
  }
}

describe('a worker that hung in a step, and goes on when another has the tenant', () => {
  it('records nothing and makes nothing a second time', async () => {
    const hung = hang('hung', 'owner', 1);
    await createTenant(admin, 'hung');
    await expect.poll(() => hung.count(), eventually).toBe(1);
    const id = await idOf('hung');
    await leaseRunsOut(id);
    await untilStatus(admin, 'hung', 'active');
    const before = [await progress('hung'), await invitations(id)];
    await hung.goOn(0);
    expect([await progress('hung'), await invitations(id)]).toEqual(before);
    expect(before[1]).toHaveLength(1);
  });

  it('cannot finish a step that was begun again after a retry, although attempts are counted from one again', async () => {
    const hung = hang('again', 'owner', 1);
    await createTenant(admin, 'again', JINX);
    await expect.poll(() => hung.count(), eventually).toBe(1);
    const id = await idOf('again');
    await breakOwners(true);
    await leaseRunsOut(id);
    await untilFailed('again');
    await breakOwners(false);
    const second = hang('again', 'owner', 1);
    await admin.send('POST', at('again', '/provisioning/retry'));
    await expect.poll(() => second.count(), eventually).toBe(1);
    expect((await progress('again')).attempts).toBe(1);
    await hung.goOn(0);
    expect([await stateOf('again', 'owner'), await invitations(id)]).toEqual(['running', []]);
    await leaseRunsOut(id);
    await untilStatus(admin, 'again', 'active');
    await second.goOn(0);
    expect(await invitations(id)).toHaveLength(1);
  });

  it('leaves nothing after the tenant was rolled back', async () => {
    const hung = hang('rolled', 'owner', 1);
    await createTenant(admin, 'rolled', JINX);
    await expect.poll(() => hung.count(), eventually).toBe(1);
    const id = await idOf('rolled');
    await breakOwners(true);
    await leaseRunsOut(id);
    await untilFailed('rolled');
    await breakOwners(false);
    expect((await admin.send('POST', at('rolled', '/provisioning/roll-back'))).status).toBe(202);
    await expect.poll(async () => (await admin.get(at('rolled'))).status, eventually).toBe(404);
    await hung.goOn(0);
    const { ['jobs.job']: _, ['jobs.job_common']: __, ...left } = await whatIsLeft(t.database, id);
    expect(left).toEqual({});
  });

  it('is waited for by a roll-back when it is in the middle of writing, and what it wrote goes too', async () => {
    const client = new pg.Client({ connectionString: t.database.adminUrl });
    await client.connect();
    await client.query('SELECT pg_advisory_lock(4711)');
    await t.database.admin(`CREATE FUNCTION shared.pause() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$`);
    await t.database.admin(
      'CREATE TRIGGER pause AFTER INSERT ON shared.invitations FOR EACH ROW EXECUTE FUNCTION shared.pause()',
    );
    await createTenant(admin, 'writing');
    const id = await idOf('writing');
    const waiting = () => t.database.admin(`SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'`);
    await expect.poll(async () => (await waiting()).length, eventually).toBe(1);
    // As when others had taken it meanwhile, and failed.
    await t.database.admin(`UPDATE platform.provisionings SET state = 'failed', lease = NULL WHERE tenant_id = $1`, [
      id,
    ]);
    await t.database.admin(`UPDATE platform.tenants SET status = 'failed' WHERE id = $1`, [id]);
    expect((await admin.send('POST', at('writing', '/provisioning/roll-back'))).status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect((await progress('writing')).state).toBe('undoing');
    await client.end();
    await expect.poll(async () => (await admin.get(at('writing'))).status, eventually).toBe(404);
    const { ['jobs.job']: _, ['jobs.job_common']: __, ...left } = await whatIsLeft(t.database, id);
    expect(left).toEqual({});
  });
});

describe.each([
  ['in a database of its own', 'database', undefined],
  ['on another server', 'shared', 'second'],
] as const)('a worker that writes the data of a tenant %s', (_name, isolation, server) => {
  const slug = `away-${isolation}`;
  let second: TestServer | undefined;
  beforeAll(async () => {
    second = server && (await addServer(t, server));
  });
  afterAll(() => second?.drop());

  it('is waited for by a roll-back', async () => {
    const sql = (text: string) => sqlAt(t, slug, text, [], second);
    const hung = hang(slug, 'owner', 1);
    await createTenant(admin, slug, { isolation, ...(server && { server }) });
    await expect.poll(() => hung.count(), eventually).toBe(1);
    const id = await idOf(slug);
    await sql(`CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$`);
    await sql('CREATE TRIGGER pause AFTER INSERT ON invitations FOR EACH ROW EXECUTE FUNCTION pause()');
    const ended = hung.release(0);
    const writing = async () =>
      (await t.database.admin(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query ~ 'invitations'`))
        .length > 0;
    await expect.poll(writing, eventually).toBe(true);
    await t.database.admin(`UPDATE platform.provisionings SET state = 'failed', lease = NULL WHERE tenant_id = $1`, [
      id,
    ]);
    await t.database.admin(`UPDATE platform.tenants SET status = 'failed' WHERE id = $1`, [id]);
    expect((await admin.send('POST', at(slug, '/provisioning/roll-back'))).status).toBe(202);
    for (;;) {
      const { status } = await admin.get(at(slug));
      if (!(await writing())) break;
      expect(status).toBe(200);
    }
    expect(await ended).toBeUndefined();
    await expect.poll(async () => (await admin.get(at(slug))).status, eventually).toBe(404);
    const { ['jobs.job']: _, ['jobs.job_common']: __, ...left } = await whatIsLeft(t.database, id);
    expect(left).toEqual({});
    if (second) expect(await runSql(second.adminUrl, 'SELECT 1 FROM shared.invitations')).toEqual([]);
  });
});

describe('a step', () => {
  it('that takes too long is given up and tried again, and cannot come back', async () => {
    const hung = hang('slow', 'owner', 1, 100);
    await createTenant(admin, 'slow');
    await untilStatus(admin, 'slow', 'active');
    expect(t.logs.some((line) => line.includes('it took too long'))).toBe(true);
    const id = await idOf('slow');
    const before = [await progress('slow'), await invitations(id)];
    await hung.goOn(0);
    expect([await progress('slow'), await invitations(id)]).toEqual(before);
  });
});
