// What the check of limits costs a request: of a tenant with limits beside one without, in process and in Redis.
import { spawn } from 'node:child_process';
import { MemoryThrottlerStorage, setRateLimitHeaders } from '../dist/src/limits/index.js';

export const MAX_LIMITS_SHARE = 0.05;
/** The scenarios, and how many policies a visitor's request draws on beside the one of its address. */
const SCENARIOS = { chat: 3, 'session-read': 2 };
const CHECKS = 300_000;
const LIMITED = 'acme';
const FREE = 'globex';

/** One tenant has every limit there is, and reaches none; the other has none at all. */
const SCENE = (limit) => [
  `UPDATE platform.tenants SET settings = settings || '{"limits.requests_per_hour":${limit}}' WHERE slug = '${LIMITED}'`,
  `UPDATE platform.tenants SET plan = 'unlimited', settings = settings - 'limits.chat_per_10s' WHERE slug = '${FREE}'`,
  'NOTIFY tenantry_tenants',
];

async function startRedis(port) {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(process.env.REDIS_SERVER ?? 'redis-server', args, { stdio: 'ignore' });
  const started = await new Promise((done) => {
    child.once('error', () => done(false));
    child.once('spawn', () => done(true));
  });
  return started ? () => child.kill('SIGTERM') : undefined;
}

/** ns of all that the guards do for one request of a visitor. */
function checkNs(policies) {
  const storage = new MemoryThrottlerStorage();
  const sink = { setHeader: () => undefined };
  const named = Array.from({ length: policies }, (_, at) => ({
    key: `{t:1}:limit:${at}`,
    name: 'chat',
    quota: 1_000_000_000,
    windowMs: 3_600_000,
  }));
  const address = [{ key: '{t:1}:limit:address|127.0.0.1|address-visitor', quota: 1_000_000_000, windowMs: 10_000 }];
  const check = () => {
    storage.consume(address);
    const { standings } = storage.consume(named);
    setRateLimitHeaders(
      sink,
      standings.map(({ remaining, resetSeconds }, at) => ({
        ...named[at],
        windowSeconds: 3600,
        remaining,
        resetSeconds,
      })),
    );
  };
  for (let n = 0; n < CHECKS / 10; n += 1) check();
  const started = performance.now();
  for (let n = 0; n < CHECKS; n += 1) check();
  const ns = ((performance.now() - started) * 1e6) / CHECKS;
  storage.onModuleDestroy();
  return ns;
}

export async function compareLimits({ load, start, prepare, sql, inTurn, measure, freePort, limit, say }) {
  const results = {};
  const redisPort = await freePort();
  const stopRedis = await startRedis(redisPort);
  if (!stopRedis) say('limits  no redis-server on PATH: only in process');
  const targets = { process: await start('limits_process', {}, await prepare('limits_process')) };
  if (stopRedis) {
    const env = { REDIS_URL: `redis://127.0.0.1:${redisPort}` };
    targets.redis = await start('limits_redis', env, await prepare('limits_redis'));
  }
  const sessions = {};
  for (const [where, { port, url }] of Object.entries(targets)) {
    await sql(url, ...SCENE(limit));
    const open = (slug) => load('open', { port, slugs: Array.from({ length: 300 }, () => slug) });
    sessions[where] = { limited: await open(LIMITED), free: await open(FREE) };
  }
  for (const [scenario, policies] of Object.entries(SCENARIOS)) {
    const cells = Object.entries(targets).flatMap(([where, target]) => [
      [`no limits (${where})`, () => measure(load, target, scenario, sessions[where].free)],
      [`limits in ${where}`, () => measure(load, target, scenario, sessions[where].limited)],
    ]);
    results[scenario] = { cells: await inTurn(`limits ${scenario}`, Object.fromEntries(cells)), ns: checkNs(policies) };
  }
  for (const { stop } of Object.values(targets)) await stop();
  stopRedis?.();
  return results;
}
