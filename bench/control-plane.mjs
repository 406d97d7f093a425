// What running tenants costs: lists at 100 and at 100,000 tenants, creating them, and finding the tenant of a request.
import {
  TenantLookUp,
  TenantResolver,
  headerStrategy,
  pathPrefixStrategy,
  subdomainStrategy,
} from '../dist/src/tenancy/index.js';

const EMAIL = 'bench@platform.example';
const PASSWORD = 'nine-slow-barges-2718';
export const ADMIN_ENV = { PLATFORM_ADMIN_EMAIL: EMAIL, PLATFORM_ADMIN_PASSWORD: PASSWORD };

export const MAX_LIST_RATIO = 2;
export const MAX_CREATE_MS = 1000;
export const MAX_RESOLUTION_SHARE = 0.02;
/** Lists are for people: a few at a time, and so many a second, of which one admin may have a hundred. */
const READERS = 4;
const LISTS_PER_S = 50;
const WARMUP_MS = 1000;
/** Each fills its page with few tenants as with many, so that equal pages are compared. */
const PAGE = 10;
const LISTS = {
  'first page': '',
  'by status and plan': 'status=suspended&plan=free',
  'by status and kind': 'status=active&kind=trial',
  'by text': 'q=bench-0000',
  'by common text': 'q=bench',
  'by text and status': 'q=bench&status=suspended',
};
/** Gives imported tenants states, plans and kinds; of a hundred, enough in each combination that a list asks for. */
export const SPREAD_STATES = `UPDATE platform.tenants SET
  plan = (ARRAY['free','free','free','basic','pro','premium'])[1 + abs(hashtext(slug)) % 6],
  kind = CASE WHEN abs(hashtext(slug || 'k')) % 4 = 0 THEN 'trial' ELSE 'production' END,
  status = CASE WHEN abs(hashtext(slug || 's')) % 4 = 0 THEN 'suspended' ELSE 'active' END
  WHERE slug LIKE 'bench-%'`;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

async function signIn(port) {
  const response = await fetch(`http://127.0.0.1:${port}/api/admin/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
  });
  if (!response.ok) throw new Error(`the admin could not sign in: ${response.status} ${await response.text()}`);
  return (await response.json()).access_token;
}

async function demandFullPage({ port }, path, token) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } });
  const { items, detail } = await response.json();
  if (items?.length !== PAGE)
    throw new Error(`${path} has ${items?.length} tenants, not a full page of ${PAGE}: ${detail}`);
}

/**
 * @returns for each kind of list what it takes with few and with many tenants
 * @throws Error when a page is not full on both sides: a nearly empty one would be compared with a full one
 */
export async function compareLists({ few, many, inTurn, load, seconds }) {
  const results = {};
  const tokens = { few: await signIn(few.port), many: await signIn(many.port) };
  for (const [name, filter] of Object.entries(LISTS)) {
    const path = `/api/admin/tenants?limit=${PAGE}&${filter}`.replace(/&$/, '');
    await demandFullPage(few, path, tokens.few);
    await demandFullPage(many, path, tokens.many);
    const pace = { scenario: 'get', rate: LISTS_PER_S, most: READERS, warmupMs: WARMUP_MS };
    const get =
      ({ port }, token) =>
      async () => {
        const offered = await load('offer', { ...pace, port, sessions: [{ path, token }], measureMs: seconds * 1000 });
        return paced(offered, seconds);
      };
    results[name] = await inTurn(`list ${name}`, { few: get(few, tokens.few), many: get(many, tokens.many) });
  }
  return results;
}

/** The admin API of one process, as a script would use it. */
export async function adminOf(port) {
  const token = await signIn(port);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const base = `http://127.0.0.1:${port}/api/admin/tenants`;
  const call = async (method, path, body) => {
    const response = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    call,
    create: (slug, more) => call('POST', '', { slug, name: slug, owner: { email: `${slug}@example.com` }, ...more }),
    active: async (slug) => {
      for (;;) {
        const { status } = await call('GET', `/${slug}`);
        if (status === 'active') return;
        if (status === 'failed') throw new Error(`${slug} failed`);
        await sleep(5);
      }
    },
  };
}

/** What an open loop measured, as a closed one says it. */
function paced({ times, statuses, firstError }, seconds) {
  const at = (share) => times[Math.floor((times.length - 1) * share)] ?? NaN;
  const answers = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  const errors = answers - times.length;
  return { rps: times.length / seconds, p50: at(0.5), p99: at(0.99), errors, firstError };
}

/** @returns milliseconds from the request for a tenant until it is in service, and tenants made per second */
export async function measureCreates(port, seconds) {
  const { create, active } = await adminOf(port);
  const times = [];
  for (let index = 0; index < 40; index++) {
    const started = performance.now();
    await create(`one-${index}`);
    await active(`one-${index}`);
    if (index >= 10) times.push(performance.now() - started);
  }
  const slugs = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      for (let index = 0; performance.now() - started < seconds * 1000; index++) {
        const slug = `many-${worker}-${index}`;
        await create(slug);
        slugs.push(slug);
      }
    }),
  );
  for (const slug of slugs) await active(slug);
  const rate = slugs.length / ((performance.now() - started) / 1000);
  return { p50: median(times), max: Math.max(...times), rate };
}

/** @returns nanoseconds that finding the tenant of a request takes when it is known already */
export async function measureResolution() {
  const tenants = new Map(
    Array.from({ length: 10_000 }, (_, index) => {
      const slug = `bench-${index}`;
      return [slug, { id: slug, slug, name: slug, status: 'active', placement: { kind: 'shared' }, settings: {} }];
    }),
  );
  const quiet = { live: true, onChange() {} };
  const directory = {
    ...quiet,
    findBySlug: (slug) => Promise.resolve(tenants.get(slug)),
    findById: () => Promise.resolve(undefined),
  };
  const domains = { ...quiet, findByDomain: () => Promise.resolve(undefined) };
  const lookUp = new TenantLookUp(directory, domains, 20_000);
  const strategies = [subdomainStrategy('localhost'), pathPrefixStrategy, headerStrategy];
  const resolver = new TenantResolver(strategies, lookUp);
  const signals = [...tenants.keys()].map((slug) => ({
    host: 'localhost:8001',
    pathSlug: undefined,
    headers: { 'x-tenant-id': slug },
    body: undefined,
  }));
  for (const signal of signals) await resolver.resolve(signal);
  let found = 0;
  const round = () => {
    const started = process.hrtime.bigint();
    for (let index = 0; index < 500_000; index++) {
      if (resolver.resolve(signals[(index * 7919) % signals.length]).kind === 'tenant') found += 1;
    }
    return Number(process.hrtime.bigint() - started) / 500_000;
  };
  const rounds = Array.from({ length: 4 }, round).slice(1);
  if (found !== 2_000_000) throw new Error('a tenant was not found');
  return median(rounds);
}
