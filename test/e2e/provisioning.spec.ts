import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Provisioner } from '../../src/tenant/provisioning/provisioner.js';
import { STEP_NAMES, TenantRetirement } from '../../src/tenant/index.js';
import { ROOT_ENV, type SignedInAdmin, signInAdmin } from '../kit/platform.js';
import { createTenant, untilStatus } from '../kit/tenants.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

const at = (slug: string, rest = '') => `/api/admin/tenants/${slug}${rest}`;

describe('a step that fails', () => {
  let t: TestApp;
  let admin: SignedInAdmin;
  beforeAll(async () => {
    t = await createTestApp(ROOT_ENV);
    admin = await signInAdmin(t);
    // Invitations to this address cannot be stored for as long as the trigger is there.
    await t.database.admin(`CREATE FUNCTION shared.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.email = 'jinx@example.com' THEN RAISE EXCEPTION 'password=hunter2'; END IF; RETURN NEW; END $$`);
  });
  beforeEach(() =>
    t.database.admin(
      'CREATE TRIGGER refuse BEFORE INSERT ON shared.invitations FOR EACH ROW EXECUTE FUNCTION shared.refuse()',
    ),
  );
  afterEach(() => t.database.admin('DROP TRIGGER IF EXISTS refuse ON shared.invitations'));
  afterAll(() => t.close());

  const jinxed = (slug: string) => createTenant(admin, slug, { owner: { email: 'jinx@example.com' } });
  /** In place of waiting for the next attempt. */
  async function untilFailed(slug: string) {
    const hurry = setInterval(
      () =>
        void t.database.admin(
          'UPDATE platform.provisionings SET next_attempt_at = now() WHERE attempts > 0 AND lease IS NULL',
        ),
      100,
    );
    try {
      return await untilStatus(admin, slug, 'failed');
    } finally {
      clearInterval(hurry);
    }
  }

  it('is tried again, then leaves the tenant failed with a reason that gives nothing away, and can be retried', async () => {
    await jinxed('jinx');
    const failed = await untilFailed('jinx');
    expect(failed.provisioning).toMatchObject({ state: 'failed', error: expect.stringMatching(/^owner: /) });
    const owner = failed.provisioning.steps.find(({ name }: { name: string }) => name === 'owner');
    expect(owner).toMatchObject({ state: 'failed', error: 'QueryFailedError P0001' });
    expect(owner.attempts).toBeGreaterThanOrEqual(5);
    expect(JSON.stringify(failed)).not.toContain('hunter2');
    expect((await t.request('POST', '/session', { body: { tenant_id: 'jinx' } })).status).toBe(404);
    expect((await admin.send('POST', at('jinx', '/suspend'), { reason: 'x' })).json).toMatchObject({
      code: 'transition_not_allowed',
      allowed: ['retry', 'roll-back'],
    });

    await t.database.admin('DROP TRIGGER refuse ON shared.invitations');
    const retried = await admin.send('POST', at('jinx', '/provisioning/retry'));
    expect([retried.status, retried.json.status]).toEqual([200, 'provisioning']);
    const ready = await untilStatus(admin, 'jinx', 'active');
    expect(ready.provisioning.steps.find(({ name }: { name: string }) => name === 'placement').attempts).toBe(1);
  });

  async function untilGone(slug: string, id: string): Promise<void> {
    await expect.poll(async () => (await admin.get(at(slug))).status, { timeout: 20_000 }).toBe(404);
    const tables = await t.database.admin<{ schema: string; name: string }>(
      `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE n.nspname IN ('shared', 'platform') AND c.relkind = 'r' AND (n.nspname, c.relname) <> ('platform', 'audit_events')`,
    );
    for (const { schema, name } of tables) {
      const left = await t.database.admin(`SELECT 1 FROM ${schema}."${name}" WHERE tenant_id = $1`, [id]);
      expect([name, left]).toEqual([name, []]);
    }
    const events = await t.database.admin<{ event: string }>(
      'SELECT event FROM platform.audit_events WHERE tenant_id = $1 ORDER BY id',
      [id],
    );
    expect(events.at(-1)).toEqual({ event: 'tenant.rolled_back' });
  }

  it('leaves nothing behind once it is rolled back, and its slug is free again', async () => {
    await jinxed('gone');
    const { id } = await untilFailed('gone');
    expect((await admin.send('POST', at('gone', '/provisioning/roll-back'))).status).toBe(202);
    await untilGone('gone', id);
    expect((await createTenant(admin, 'gone')).status).toBe(201);
    await untilStatus(admin, 'gone', 'active');
  });

  const failedSince = (id: string, days: number) =>
    t.database.admin(`UPDATE platform.tenants SET status_changed_at = now() - $2 * interval '24 hours' WHERE id = $1`, [
      id,
      days,
    ]);
  const rules = () => t.app.get(TenantRetirement).runDue();

  it('leaves nothing behind once it is left alone for as many days as its plan says', async () => {
    await jinxed('left-alone');
    const { id } = await untilFailed('left-alone');
    await failedSince(id, 6);
    expect((await admin.get(at('left-alone', '/schedule'))).json.items).toMatchObject([
      { act: 'roll-back', notices: [] },
    ]);
    expect((await rules())['roll-back']).toBe(0);
    expect((await admin.get(at('left-alone'))).json.status).toBe('failed');
    await failedSince(id, 8);
    const reports = await Promise.all([rules(), rules()]);
    expect(reports.reduce((sum, report) => sum + report['roll-back'], 0)).toBe(1);
    await untilGone('left-alone', id);
    const [asked] = await t.database.admin<{ actor_kind: string; details: unknown }>(
      `SELECT actor_kind, details FROM platform.audit_events WHERE tenant_id = $1 AND event = 'tenant.roll_back_requested'`,
      [id],
    );
    expect(asked).toMatchObject({ actor_kind: 'system', details: { rule: 'roll-back' } });
    expect((await createTenant(admin, 'left-alone')).status).toBe(201);
    await untilStatus(admin, 'left-alone', 'active');
  });

  it('takes a sandbox with it on the day that was to be its end', async () => {
    await admin.send('PATCH', at('initech'), { settings: { 'sandbox.template': true } });
    const more = { kind: 'sandbox', template: 'initech', lifetime_days: 2, owner: { email: 'jinx@example.com' } };
    expect((await createTenant(admin, 'short', more)).status).toBe(201);
    const { id } = await untilFailed('short');
    await rules();
    expect((await admin.get(at('short'))).json.status).toBe('failed');
    await t.database.admin('UPDATE platform.tenants SET expires_at = now() WHERE id = $1', [id]);
    await rules();
    await untilGone('short', id);
  });
});

describe('provisioning by processes that are killed', () => {
  const running: TestProcess[] = [];
  let t: TestApp | undefined;
  let smtp: TestSmtp | undefined;
  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGTERM');
      await exited;
    }
    await t?.close();
    await smtp?.close();
  });

  it('goes on wherever it was: no half tenant, no second owner, one Message-ID for each welcome mail', async () => {
    const mails: { to: string; id: string }[] = [];
    smtp = await startSmtp({
      judge: ({ envelope, messageId }) => {
        mails.push({ to: envelope.to.join(), id: messageId ?? '' });
        return Promise.resolve(undefined);
      },
    });
    t = await createTestApp({ ...ROOT_ENV, SMTP_URL: smtp.url });
    const { app, database } = t;
    const admin = await signInAdmin(t);
    // This process only takes the requests; the work is that of the processes below.
    await app.get(Provisioner, { strict: false }).beforeApplicationShutdown();
    await database.admin('CREATE TABLE public.pauses (slug text PRIMARY KEY)');
    // A tenant named for a step and a state stops the process for good when that is about to be stored.
    await database.admin(`CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF EXISTS (SELECT 1 FROM public.pauses p JOIN platform.tenants t ON t.slug = p.slug
                  WHERE t.id = NEW.tenant_id AND p.slug = NEW.name || '-' || NEW.state) THEN PERFORM pg_sleep(600); END IF;
      RETURN NEW; END $$`);
    await database.admin(
      'CREATE TRIGGER pause BEFORE UPDATE ON platform.provisioning_steps FOR EACH ROW EXECUTE FUNCTION public.pause()',
    );
    const start = async () => {
      const started = await startProcess({
        DATABASE_URL: database.adminUrl,
        MASTER_KEY: database.env.masterKey,
        DATA_DIR: database.env.dataDir,
        SMTP_URL: smtp?.url,
      });
      running.push(started);
      return started;
    };
    const points = STEP_NAMES.flatMap((step) => [`${step}-running`, `${step}-done`]);
    // As many at once as the process has connections to the control plane.
    for (let from = 0; from < points.length; from += 4) {
      const slugs = points.slice(from, from + 4);
      for (const slug of slugs) {
        await database.admin('INSERT INTO public.pauses VALUES ($1)', [slug]);
        expect((await createTenant(admin, slug, { owner: { email: `${slug}@example.com` } })).status).toBe(201);
      }
      const victim = await start();
      const asleep = () =>
        database.admin<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
        );
      await expect.poll(async () => (await asleep()).length, { timeout: 60_000 }).toBe(slugs.length);
      victim.child.kill('SIGKILL');
      await victim.exited;
      running.splice(running.indexOf(victim), 1);
      await database.admin('DELETE FROM public.pauses');
      for (const { pid } of await asleep()) await database.admin('SELECT pg_terminate_backend($1)', [pid]);
      // In place of waiting until the dead process's leases have run out.
      await database.admin('UPDATE platform.provisionings SET next_attempt_at = now()');
      await database.admin('UPDATE shared.outbox_events SET next_attempt_at = now()');
    }
    await start();
    for (const slug of points) await untilStatus(admin, slug, 'active');
    for (const slug of points) {
      const owners = await database.admin(
        `SELECT i.email FROM shared.invitations i JOIN platform.tenants t ON t.id = i.tenant_id WHERE t.slug = $1`,
        [slug],
      );
      expect(owners).toEqual([{ email: `${slug}@example.com` }]);
      await expect.poll(() => mails.some(({ to }) => to.includes(`${slug}@`)), { timeout: 30_000 }).toBe(true);
      expect([slug, new Set(mails.filter(({ to }) => to.includes(`${slug}@`)).map(({ id }) => id)).size]).toEqual([
        slug,
        1,
      ]);
      const created = await database.admin(
        `SELECT e.event FROM shared.audit_events e JOIN platform.tenants t ON t.id = e.tenant_id
          WHERE t.slug = $1 AND e.event = 'tenant.created'`,
        [slug],
      );
      expect(created).toHaveLength(1);
    }
  }, 240_000);
});
