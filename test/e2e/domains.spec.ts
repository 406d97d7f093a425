import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DomainChecks } from '../../src/tenant/index.js';
import { liftAddressLimits, mailTo } from '../kit/people.js';
import { secondInstance } from '../kit/platform.js';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startDns, type TestDns } from '../kit/test-dns.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

let dns: TestDns;
let smtp: TestSmtp;
let t: TestApp;
let acme: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  dns = await startDns();
  smtp = await startSmtp();
  t = await createTestApp({ DNS_SERVERS: dns.address, SMTP_URL: smtp.url });
  await liftAddressLimits(t);
  [acme, globex] = await Promise.all([signIn(t, 'acme', 'admin'), signIn(t, 'globex', 'admin')]);
});
afterAll(async () => {
  await t.close();
  await smtp.close();
  await dns.close();
});
beforeEach(async () => {
  await t.database.admin('DELETE FROM platform.tenant_domains');
  await t.database.admin(`SELECT pg_notify('tenantry_domains', ''), pg_notify('tenantry_tenants', '')`);
  dns.mood = 'fine';
  dns.follow = true;
});

let names = 0;
const newName = () => `chat-${(names += 1)}.acme-corp.com`;
const hello = (host: string, on = t) => on.request('GET', '/', { headers: { host } });
/** A look by hand is not held up by the one before. */
const lookAgain = () => t.database.admin('UPDATE platform.tenant_domains SET checked_at = NULL');
const due = (more = '') => t.database.admin(`UPDATE platform.tenant_domains SET next_check_at = now() ${more}`);

async function added(by: SignedIn, domain = newName()) {
  const answer = await by.send('POST', '/api/domains', { domain });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return answer.json as { id: string; domain: string; record: { name: string; value: string } };
}

async function verified(by: SignedIn, domain = newName()) {
  const claim = await added(by, domain);
  dns.txt(claim.record.name, claim.record.value);
  const answer = await by.send('POST', `/api/domains/${claim.id}/verify`);
  expect([answer.status, answer.json.status]).toEqual([200, 'verified']);
  return claim;
}

describe('a domain of its own', () => {
  it('is added, proven by a TXT record, and then names acme', async () => {
    const answer = await acme.send('POST', '/api/domains', { domain: 'Chat.ACME-corp.com.:443' });
    expect(answer.status).toBe(201);
    expect(answer.headers['location']).toBe(`/api/domains/${answer.json.id}`);
    expect(answer.json).toMatchObject({ domain: 'chat.acme-corp.com', status: 'pending', primary: false });
    expect(answer.json.record).toEqual({
      type: 'TXT',
      name: '_tenantry.chat.acme-corp.com',
      value: expect.stringMatching(/^tenantry-verification=[0-9a-f]{48}$/),
    });
    expect((await hello('chat.acme-corp.com')).status).toBe(404);

    const early = await acme.send('POST', `/api/domains/${answer.json.id}/verify`);
    expect([early.status, early.json.code]).toEqual([409, 'domain_unproven']);
    expect(early.json.remedy).toContain(answer.json.record.value);
    const hasty = await acme.send('POST', `/api/domains/${answer.json.id}/verify`);
    expect([hasty.status, hasty.json.code, hasty.headers['retry-after']]).toEqual([
      429,
      'domain_checked_just_now',
      '3',
    ]);

    await lookAgain();
    dns.txt(answer.json.record.name, 'v=spf1 -all', answer.json.record.value);
    expect((await acme.send('POST', `/api/domains/${answer.json.id}/verify`)).json).toMatchObject({
      status: 'verified',
    });
    for (const host of ['chat.acme-corp.com', 'CHAT.acme-corp.com.', 'chat.acme-corp.com:8443']) {
      const own = await hello(host);
      expect([host, own.status, own.json.tenant?.id]).toEqual([host, 200, 'acme']);
    }
    const log = await acme.get('/api/audit?limit=10');
    expect(log.json.items.map((item: { event: string }) => item.event)).toEqual(
      expect.arrayContaining(['domain.added', 'domain.verified']),
    );
    const platform = await t.database.admin(
      `SELECT event FROM platform.audit_events WHERE event LIKE 'domain.%' AND tenant_id IS NOT NULL`,
    );
    expect(platform).toEqual(expect.arrayContaining([{ event: 'domain.added' }, { event: 'domain.verified' }]));
  });

  it('is found by an alias, whether the DNS follows it or leaves that to us, and in a record of several strings', async () => {
    for (const follow of [true, false]) {
      dns.follow = follow;
      const { id, record } = await added(acme);
      dns.alias(record.name, `proofs-${follow}.hosting-corp.com`);
      dns.alias(`proofs-${follow}.hosting-corp.com`, `more-${follow}.hosting-corp.com`);
      dns.txt(`more-${follow}.hosting-corp.com`, [record.value.slice(0, 9), record.value.slice(9)]);
      const answer = await acme.send('POST', `/api/domains/${id}/verify`);
      expect([follow, answer.status]).toEqual([follow, 200]);
    }
  });

  it('is not proven by aliases that lead in a circle', async () => {
    dns.follow = false;
    const { id, record } = await added(acme);
    dns.alias(record.name, 'one.hosting-corp.com');
    dns.alias('one.hosting-corp.com', 'two.hosting-corp.com');
    dns.alias('two.hosting-corp.com', 'one.hosting-corp.com');
    const answer = await acme.send('POST', `/api/domains/${id}/verify`);
    expect([answer.status, answer.json.code]).toEqual([409, 'domain_unproven']);
  });

  it('says nothing of the domain when the DNS is broken', async () => {
    const { id } = await added(acme);
    dns.mood = 'broken';
    const answer = await acme.send('POST', `/api/domains/${id}/verify`);
    expect([answer.status, answer.json.code]).toEqual([503, 'dns_unavailable']);
    expect((await acme.get(`/api/domains/${id}`)).json).toMatchObject({
      status: 'pending',
      finding: expect.stringContaining('ended with'),
    });
  });

  it.each([
    ['localhost', 'domain_reserved'],
    ['shop.localhost', 'domain_reserved'],
    ['10.0.0.1', 'domain_is_address'],
    ['0x0a000001', 'domain_is_address'],
    ['[::1]', 'domain_is_address'],
    ['co.uk', 'domain_is_public_suffix'],
    ['intranet', 'domain_single_label'],
    ['*.acme-corp.com', 'domain_wildcard'],
    ['https://acme-corp.com', 'domain_malformed'],
    [`${'a.'.repeat(125)}com`, 'domain_too_long'],
    ['acme.local', 'domain_unknown_suffix'],
  ])('is not %s: 422 %s', async (domain, code) => {
    const answer = await acme.send('POST', '/api/domains', { domain });
    expect([answer.status, answer.json.code, answer.json.errors[0].pointer]).toEqual([422, code, '/domain']);
  });

  it.each([[{}], [{ domain: 7 }], [{ domain: '' }], [{ domain: ['a.com'] }]])('needs a text: %j', async (body) => {
    expect((await acme.send('POST', '/api/domains', body)).status).toBe(422);
  });

  it("is listed, read and changed by its own tenant's admins only", async () => {
    const claim = await verified(acme);
    expect((await acme.get('/api/domains')).json).toMatchObject({ items: [{ id: claim.id }], next_cursor: null });
    expect((await globex.get('/api/domains')).json.items).toEqual([]);
    const none = await globex.get('/api/domains/0190f0f0-0000-7000-8000-000000000000');
    const foreign: [string, string, unknown?][] = [
      ['GET', `/api/domains/${claim.id}`],
      ['PATCH', `/api/domains/${claim.id}`, { primary: true }],
      ['POST', `/api/domains/${claim.id}/verify`],
      ['DELETE', `/api/domains/${claim.id}`],
    ];
    for (const [method, path, body] of foreign) {
      const answer = await globex.send(method, path, body);
      expect([method, answer.status, answer.json.code]).toEqual([method, none.status, none.json.code]);
    }
    expect((await hello(claim.domain)).json.tenant.id).toBe('acme');
    const member = await signIn(t, 'acme', 'member');
    expect((await member.get('/api/domains')).json.code).toBe('permission_missing');
  });

  it('is on a list once, and the list is bounded, also for many at once', async () => {
    const { domain } = await added(acme);
    const again = await acme.send('POST', '/api/domains', { domain: domain.toUpperCase() });
    expect([again.status, again.json.code]).toEqual([409, 'domain_exists']);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => acme.send('POST', '/api/domains', { domain: newName() })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(answers.find(({ status }) => status === 409)?.json.code).toBe('too_many_pending_domains');
    await t.database.admin(`UPDATE platform.tenant_domains SET status = 'verified'`);
    for (let more = 0; more < 5; more += 1) await added(acme);
    await t.database.admin(`UPDATE platform.tenant_domains SET status = 'verified'`);
    const last = await acme.send('POST', '/api/domains', { domain: newName() });
    expect([last.status, last.json.code]).toEqual([409, 'too_many_domains']);
  });

  it('names nobody any more once removed', async () => {
    const { id, domain } = await verified(acme);
    expect((await hello(domain)).status).toBe(200);
    expect((await acme.send('DELETE', `/api/domains/${id}`)).status).toBe(204);
    expect((await hello(domain)).status).toBe(404);
    expect((await acme.send('DELETE', `/api/domains/${id}`)).status).toBe(404);
  });

  it('is where links in mails lead, once it is the primary one', async () => {
    const forgot = (nth: number) => async () => {
      await t.request('POST', '/api/auth/forgot-password', {
        headers: { 'x-tenant-id': 'acme' },
        body: { email: 'viewer@acme.example' },
      });
      const mail = await mailTo(smtp, 'viewer@acme.example', /new password/, nth);
      return new URL(/https?:\/\/\S+/.exec(mail.text ?? '')?.[0] ?? '').host;
    };
    const pending = await added(acme);
    expect((await acme.send('PATCH', `/api/domains/${pending.id}`, { primary: true })).json.code).toBe(
      'domain_not_verified',
    );
    const [one, two] = [await verified(acme), await verified(acme)];
    expect(await forgot(1)()).toMatch(/^acme\.localhost/);
    for (const { id } of [one, two]) {
      const answer = await acme.send('PATCH', `/api/domains/${id}`, { primary: true });
      expect([answer.status, answer.json.primary]).toEqual([200, true]);
    }
    const primaries = (await acme.get('/api/domains')).json.items.filter((item: { primary: boolean }) => item.primary);
    expect(primaries).toMatchObject([{ id: two.id }]);
    expect((await forgot(2)()).split(':')[0]).toBe(two.domain);
    await acme.send('PATCH', `/api/domains/${two.id}`, { primary: false });
    expect(await forgot(3)()).toMatch(/^acme\.localhost/);
  });
});

describe('a domain that two tenants say is theirs', () => {
  it('goes to the one who proves it, however long the other has waited', async () => {
    const name = newName();
    const first = await added(globex, name);
    const owner = await added(acme, name);
    expect(first.record.value).not.toBe(owner.record.value);
    dns.txt(owner.record.name, owner.record.value);
    const squatter = await globex.send('POST', `/api/domains/${first.id}/verify`);
    expect([squatter.status, squatter.json.code]).toEqual([409, 'domain_unproven']);
    expect((await acme.send('POST', `/api/domains/${owner.id}/verify`)).status).toBe(200);
    expect((await hello(name)).json.tenant.id).toBe('acme');
  });

  it('goes to one of them when both prove it at once, in two processes', async () => {
    const other = await secondInstance(t.database);
    try {
      for (let round = 0; round < 5; round += 1) {
        const name = newName();
        const [a, g] = [await added(acme, name), await added(globex, name)];
        dns.txt(a.record.name, a.record.value, g.record.value);
        const answers = await Promise.all([
          acme.send('POST', `/api/domains/${a.id}/verify`),
          other.request('POST', `/api/domains/${g.id}/verify`, { headers: globex.headers }),
        ]);
        expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
        expect(answers.find(({ status }) => status === 409)?.json.code).toBe('domain_taken');
        const winner = answers[0]?.status === 200 ? 'acme' : 'globex';
        const [loser, claim] = winner === 'acme' ? [globex, g] : [acme, a];
        for (const on of [t, other]) {
          await expect
            .poll(async () => (await hello(name, on)).json.tenant?.id, { timeout: 1000, interval: 20 })
            .toBe(winner);
        }
        // Free for the other as soon as it is given up.
        await (winner === 'acme' ? acme : globex).send('DELETE', `/api/domains/${(winner === 'acme' ? a : g).id}`);
        await lookAgain();
        expect((await loser.send('POST', `/api/domains/${claim.id}/verify`)).status).toBe(200);
        await loser.send('DELETE', `/api/domains/${claim.id}`);
      }
    } finally {
      await other.close();
    }
  });
});

describe('looking again', () => {
  const run = () => t.app.get(DomainChecks).runDue();
  const row = async (id: string) =>
    (
      await t.database.admin<{
        status: string;
        failing_since: Date | null;
        next_check_at: Date | null;
        is_primary: boolean;
      }>('SELECT status, failing_since, next_check_at, is_primary FROM platform.tenant_domains WHERE id = $1', [id])
    )[0];

  it('finds the proof of a claim that waits, and tires after seven days', async () => {
    const [shown, missing] = [await added(acme), await added(acme)];
    dns.txt(shown.record.name, shown.record.value);
    expect(await run()).toMatchObject({ checked: 0 });
    await due();
    expect(await run()).toEqual({ checked: 2, verified: 1, disabled: 0, told: 1 });
    expect((await hello(shown.domain)).json.tenant.id).toBe('acme');
    expect(await row(missing.id)).toMatchObject({ status: 'pending' });
    await due(`, pending_since = now() - interval '8 days'`);
    await run();
    expect(await row(missing.id)).toMatchObject({ status: 'expired', next_check_at: null });
    // Asked for by hand, it is looked for again.
    await lookAgain();
    await acme.send('POST', `/api/domains/${missing.id}/verify`);
    expect(await row(missing.id)).toMatchObject({ status: 'pending', next_check_at: expect.any(Date) });
  });

  it('disables a domain whose proof has been missing for three days, and tells the admins', async () => {
    const { id, domain, record } = await verified(acme);
    await acme.send('PATCH', `/api/domains/${id}`, { primary: true });
    dns.clear(record.name);
    await due();
    expect(await run()).toMatchObject({ checked: 1, disabled: 0 });
    expect(await row(id)).toMatchObject({ status: 'verified', failing_since: expect.any(Date) });
    expect((await hello(domain)).status).toBe(200);
    // Back in time: the clock starts over.
    dns.txt(record.name, record.value);
    await due();
    await run();
    expect(await row(id)).toMatchObject({ status: 'verified', failing_since: null });
    dns.clear(record.name);
    await due(`, failing_since = now() - interval '73 hours'`);
    expect(await run()).toEqual({ checked: 1, verified: 0, disabled: 1, told: 1 });
    expect(await row(id)).toMatchObject({ status: 'disabled', is_primary: false, next_check_at: null });
    expect((await hello(domain)).status).toBe(404);
    for (const person of ['owner', 'admin']) {
      const mail = await mailTo(smtp, `${person}@acme.example`, new RegExp(domain.replaceAll('.', '\\.')));
      expect(mail.text).toContain(record.value);
    }
    expect(smtp.to('member@acme.example').filter(({ subject }) => subject?.includes(domain))).toEqual([]);
    expect((await acme.get('/api/audit?event=domain.disabled')).json.items).toHaveLength(1);
    // It is free for whoever has it now.
    const other = await verified(globex, domain);
    expect((await hello(other.domain)).json.tenant.id).toBe('globex');
  });

  it('does not hold a DNS that gives no answer against a domain', async () => {
    const { id, domain } = await verified(acme);
    dns.mood = 'broken';
    await due(`, failing_since = now() - interval '30 days'`);
    expect(await run()).toMatchObject({ checked: 1, disabled: 0 });
    expect(await row(id)).toMatchObject({ status: 'verified' });
    expect((await hello(domain)).status).toBe(200);
  });

  it('looks at each once though several processes begin together, and drops what it finds once another has it', async () => {
    const other = await secondInstance(t.database);
    try {
      const claims = [await added(acme), await added(acme), await added(globex), await added(globex)];
      for (const { record } of claims) dns.txt(record.name, record.value);
      await due();
      dns.asked.length = 0;
      const reports = await Promise.all([run(), other.app.get(DomainChecks).runDue(), run()]);
      expect(reports.reduce((sum, { checked }) => sum + checked, 0)).toBe(4);
      expect(reports.reduce((sum, { verified: count }) => sum + count, 0)).toBe(4);
      expect(reports.reduce((sum, { told }) => sum + told, 0)).toBe(4);
      expect(dns.asked.sort()).toEqual(claims.map(({ record }) => record.name).sort());
    } finally {
      await other.close();
    }
  });

  it('leaves what it was stopped at to be looked at again', async () => {
    const { id } = await verified(acme);
    dns.mood = 'silent';
    await due(`, failing_since = now() - interval '4 days'`);
    const stopping = new AbortController();
    const running = t.app.get(DomainChecks).runDue(stopping.signal);
    await expect.poll(() => dns.asked.length).toBeGreaterThan(0);
    stopping.abort();
    expect(await running).toMatchObject({ checked: 0, disabled: 0 });
    expect(await row(id)).toMatchObject({ status: 'verified', next_check_at: expect.any(Date) });
  });

  it('gives the domains of a deleted tenant back', async () => {
    const { id } = await verified(globex);
    await t.database.admin(`UPDATE platform.tenants SET status = 'deleted' WHERE slug = 'globex'`);
    try {
      await run();
      expect(await row(id)).toBeUndefined();
    } finally {
      await t.database.admin(`UPDATE platform.tenants SET status = 'active' WHERE slug = 'globex'`);
    }
  });
});
