import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectoryPasswords } from '../../src/auth/directory/directory.passwords.js';
import { TenantResources } from '../../src/resources/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { machineHas } from '../kit/needs.js';
import { liftAddressLimits } from '../kit/people.js';
import { signIn, type SignedIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { BASE, findLdap, LDAP_HINT, READER, startLdap, type TestLdap } from '../kit/test-ldap.js';

const program = findLdap();
/** A password is sent nowhere but where it was entered for. */
const ELSEWHERE = { 'directory.bind_password': READER.password };
const PEOPLE = [
  { cn: 'Ann', mail: 'ann@acme.example', password: "ann's own password" },
  { cn: 'Member', mail: 'member@acme.example', password: "member's other password" },
  { cn: 'Owner', mail: 'owner@acme.example', password: "owner's other password" },
  { cn: 'Twin One', mail: 'twin@acme.example', password: 'one of two' },
  { cn: 'Twin Two', mail: 'twin@acme.example', password: 'two of two' },
  { cn: 'Zoë, of (Paris)', mail: 'zoe@acme.example', password: 'pass*wörd)(&' },
];

describe.runIf(machineHas(program, LDAP_HINT))('the directory of acme', () => {
  let t: TestApp;
  let ldap: TestLdap;
  let owner: SignedIn;

  const configure = async (settings: Record<string, unknown>) => {
    const answer = await owner.send('PATCH', '/api/config', { settings });
    if (answer.status !== 200) throw new Error(answer.text);
  };
  const working = () => ({
    'directory.url': ldap.urls.ldap,
    'directory.ca': ldap.ca,
    'directory.bind_dn': READER.dn,
    'directory.bind_password': READER.password,
    'directory.base_dn': BASE,
    'directory.user_filter': null,
    'directory.sign_in': null,
  });
  const login = (email: string, password: string, tenant = 'acme') =>
    t.request('POST', '/api/auth/login', { headers: { 'x-tenant-id': tenant }, body: { email, password } });
  const told = async (email: string, password: string, tenant?: string) => {
    const { status, json } = await login(email, password, tenant);
    return status === 200 ? 200 : [status, json.code];
  };
  const WRONG = [401, 'sign_in_refused'];
  const AWAY = [503, 'directory_unavailable'];
  const add = async (email: string) => {
    const { status, text } = await owner.send('POST', '/api/users', { email, name: 'Somebody', role: 'member' });
    if (status !== 201) throw new Error(text);
  };
  const health = async () =>
    t.app
      .get(TenantResources)
      .healthOf(await t.tenant('acme'))
      .find(({ resource }) => resource === 'directory')!;

  beforeAll(async () => {
    ldap = await startLdap(program!, PEOPLE);
    t = await createTestApp({ OUTBOUND_ALLOW: '127.0.0.1/32,::1/128' });
    await liftAddressLimits(t);
    owner = await signIn(t, 'acme', 'owner');
    for (const email of ['ann', 'twin', 'zoe', 'a*', 'gone']) await add(`${email}@acme.example`);
    await configure(working());
  });
  afterAll(async () => {
    await t?.close();
    await ldap?.stop();
  });

  it.each(['ldap', 'ldaps'] as const)('checks the password of who has none here, over %s', async (kind) => {
    await configure({ 'directory.url': ldap.urls[kind], 'directory.bind_password': READER.password });
    expect(await told('Ann@acme.example', "ann's own password")).toBe(200);
    expect(await told('zoe@acme.example', 'pass*wörd)(&')).toBe(200);
    expect(await told('ann@acme.example', 'demo-password')).toEqual(WRONG);
    expect(await health()).toMatchObject({ state: 'ok', inUse: 0 });
  });

  it('is asked under TLS alone', () => {
    const binds = ldap
      .log()
      .split('\n')
      .filter((line) => line.includes('mech=SIMPLE'));
    expect(binds.length).toBeGreaterThan(4);
    expect(binds.filter((line) => / ssf=0\b/.test(line))).toEqual([]);
  });

  it('answers in the same words for a wrong password, a person without an entry, and nobody', async () => {
    const strip = (text: string) => text.replace(/"request_id":"[^"]*"/, '');
    const [wrong, none, nobody, elsewhere] = [
      await login('ann@acme.example', 'wrong'),
      await login('gone@acme.example', 'wrong'),
      await login('nobody@acme.example', 'wrong'),
      await login('member@acme.example', 'wrong'),
    ];
    expect(wrong.status).toBe(401);
    for (const { text } of [none, nobody, elsewhere]) expect(strip(text)).toBe(strip(wrong.text));
  });

  it('tries as many passwords there for nobody as for ann, and never one of who is not let in', async () => {
    const tried = async (email: string) => {
      const before = ldap.log().length;
      await login(email, 'the password of this test');
      const since = () => ldap.log().slice(before).split('\n');
      const count = (what: string) => since().filter((line) => line.includes(what)).length;
      await expect.poll(() => count('UNBIND')).toBeGreaterThan(0);
      return [count(' BIND dn='), count('SRCH base=')];
    };
    const ann = await tried('ann@acme.example');
    expect(ann).toEqual([1, 1]);
    expect(await tried('nobody-2@acme.example')).toEqual(ann);
    expect(await tried('member@acme.example')).toEqual(ann);
    // Of an entry in the directory who is no user here, the password is not even sent.
    const before = ldap.log().length;
    await login('owner@globex.example', 'the password of this test');
    expect(ldap.log().slice(before)).not.toContain('cn=owner,ou=people');
  });

  it('takes an address for nothing but an address', async () => {
    expect(await told('a*@acme.example', "ann's own password")).toEqual(WRONG);
    expect(await told('ann@acme.example)(cn=*', "ann's own password")).toEqual(WRONG);
  });

  it('lets nobody in whom it knows twice', async () => {
    expect(await told('twin@acme.example', 'one of two')).toEqual(WRONG);
    expect(await told('twin@acme.example', 'two of two')).toEqual(WRONG);
  });

  it('lets nobody in without a password, though a bind would succeed', async () => {
    const acme = await t.tenant('acme');
    const right = t.app
      .get(TenantRunner)
      .run(acme, () => t.app.get(DirectoryPasswords).isRight('ann@acme.example', ''));
    expect(await right).toBe(false);
  });

  it('leaves who has a password here alone, unless acme wants it to check everybody but owners', async () => {
    expect(await told('member@acme.example', 'demo-password')).toBe(200);
    expect(await told('member@acme.example', "member's other password")).toEqual(WRONG);
    await configure({ 'directory.sign_in': 'everybody' });
    expect(await told('member@acme.example', "member's other password")).toBe(200);
    expect(await told('member@acme.example', 'demo-password')).toEqual(WRONG);
    expect(await told('owner@acme.example', 'demo-password')).toBe(200);
    expect(await told('owner@acme.example', "owner's other password")).toEqual(WRONG);
    await configure({ 'directory.sign_in': null });
  });

  it('lets no disabled person in', async () => {
    const { items } = (await owner.get('/api/users?limit=100')).json as { items: { id: string; email: string }[] };
    const { id } = items.find(({ email }) => email === 'zoe@acme.example')!;
    expect((await owner.send('PATCH', `/api/users/${id}`, { status: 'disabled' })).status).toBe(200);
    expect(await told('zoe@acme.example', 'pass*wörd)(&')).toEqual(WRONG);
  });

  it('is guessed at as slowly as passwords here', async () => {
    await add('slow@acme.example');
    // At once, so that a slow machine does not wait the hold out between them.
    const guesses = Array.from({ length: 8 }, (_, n) => told('slow@acme.example', `guess ${n}`));
    const answers = await Promise.all(guesses);
    expect(answers).toContainEqual([429, 'too_many_attempts']);
    expect(answers.filter((answer) => String(answer) === String(WRONG)).length).toBeLessThanOrEqual(4);
  });

  it('that is away is told to those whom it knows, and to nobody else', async () => {
    await ldap.kill();
    expect(await told('ann@acme.example', "ann's own password")).toEqual(AWAY);
    expect(await told('member@acme.example', 'demo-password')).toBe(200);
    expect(await told('member@acme.example', 'wrong')).toEqual(WRONG);
    expect(await told('member@globex.example', 'demo-password', 'globex')).toBe(200);
    expect(await told('nobody@globex.example', 'demo-password', 'globex')).toEqual(WRONG);
    expect(await health()).toMatchObject({ state: 'failing', lastError: 'The directory cannot be reached.' });
    // More of them than guesses would be let through.
    for (let n = 0; n < 6; n += 1) expect(await told('ann@acme.example', "ann's own password")).toEqual(AWAY);
    await ldap.restart();
    await expect.poll(() => told('ann@acme.example', "ann's own password")).toBe(200);
    expect((await health()).state).toBe('ok');
  });

  it.each([
    ['another address without the password', { 'directory.url': 'ldap://localhost:1' }, 'enter it again'],
    ['another bind password', { 'directory.bind_password': 'another' }, 'does not accept directory.bind_dn'],
    ['no bind password', { 'directory.bind_password': null }, 'no directory.bind_password'],
    ['another base', { 'directory.base_dn': 'dc=globex,dc=example' }, 'no entry directory.base_dn'],
    ['no trust in its certificate', { 'directory.ca': '' }, 'certificate is not trusted'],
    [
      'an address that may not be reached',
      { ...ELSEWHERE, 'directory.url': 'ldaps://127.0.0.2:636' },
      'no address that may be',
    ],
    ['a port where nothing is', { ...ELSEWHERE, 'directory.url': 'ldap://localhost:1' }, 'cannot be reached'],
  ])('with %s shuts out its own people alone, and the admin can read why', async (_what, settings, reason) => {
    await configure(settings);
    expect(await told('ann@acme.example', "ann's own password")).toEqual(AWAY);
    expect((await health()).lastError).toContain(reason);
    expect(await told('member@acme.example', 'demo-password')).toBe(200);
    await configure(working());
    expect(await told('ann@acme.example', "ann's own password")).toBe(200);
  });

  it.each([
    ['directory.url', 'https://directory.acme.example'],
    ['directory.url', 'ldap://directory.acme.example/dc=acme'],
    ['directory.user_filter', '(mail=somebody)'],
    ['directory.user_filter', '(mail={email}))(cn=*'],
    ['directory.user_filter', '(mail={email})(cn=*)'],
    ['directory.ca', 'no certificate'],
    ['directory.sign_in', 'nobody'],
  ])('does not take %s %s', async (key, value) => {
    expect((await owner.send('PUT', `/api/config/${key}`, { value })).status).toBe(422);
  });

  it('keeps its secrets', async () => {
    const shown = (await owner.get('/api/config')).text + t.logs.join('');
    for (const secret of [READER.password, "ann's own password"]) expect(shown).not.toContain(secret);
  });
});
