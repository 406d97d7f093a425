// What modules pay for reading a setting, and for a hit of the cache, against the statement that a hit saves.
import pino from 'pino';
import { MIGRATIONS } from '../dist/migrations/index.js';
import { createApplication } from '../dist/src/application.js';
import { TenantCache } from '../dist/src/cache/index.js';
import { prepareDatabase } from '../dist/src/database/index.js';
import { ChatSession, SessionService, WELCOME } from '../dist/src/session/index.js';
import { TenantSettings } from '../dist/src/settings/index.js';
import { TenantDirectory, TenantRunner, tenantRepositoryToken } from '../dist/src/tenancy/index.js';

/** Of a session read over HTTP. */
export const MAX_SETTING_SHARE = 0.01;
/** Of the statement that it saves. */
export const MAX_HIT_SHARE = 0.5;

const TTL_MS = 3_600_000;
const ROUNDS = 5;
const READS = 500_000;
const HITS = 3000;
/** A value such as modules keep: a list of twenty small things. */
const VALUE = Array.from({ length: 20 }, (_, at) => ({ id: at, name: `Name ${at}`, at: '2026-01-01T00:00:00.000Z' }));

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

/** @returns ns a call, of the rounds after the first */
async function timed(calls, round) {
  const started = process.hrtime.bigint();
  await round();
  return Number(process.hrtime.bigint() - started) / calls;
}

async function inTurns(cells) {
  const results = Object.fromEntries(Object.keys(cells).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, { calls, run }] of Object.entries(cells)) {
      const ns = await timed(calls, run);
      if (round > 0) results[name].push(ns);
    }
  }
  return Object.fromEntries(Object.entries(results).map(([name, rounds]) => [name, median(rounds)]));
}

async function within(env, measure) {
  const database = await prepareDatabase(env, MIGRATIONS);
  const app = await createApplication(env, database, pino({ level: 'silent' }));
  try {
    const acme = await app.get(TenantDirectory).findBySlug('acme');
    return await app.get(TenantRunner).run(acme, () => measure(app, acme));
  } finally {
    await app.close();
    await database.stop();
  }
}

function settingCells(app, tenant) {
  const settings = app.get(TenantSettings);
  const read = (value) => {
    let seen = 0;
    for (let at = 0; at < READS; at++) seen += value().length;
    if (seen === 0) throw new Error('acme has no welcome.');
  };
  return {
    setting: { calls: READS, run: () => read(() => settings.get(WELCOME)) },
    property: { calls: READS, run: () => read(() => tenant.settings.welcome ?? '') },
  };
}

/** One after the other, as a request does it. */
function hits(app) {
  const cache = app.get(TenantCache).of('bench');
  const make = () => {
    throw new Error('A hit was expected.');
  };
  return {
    prepare: () => cache.set('list', VALUE, TTL_MS),
    cell: {
      calls: HITS,
      run: async () => {
        for (let at = 0; at < HITS; at++) await cache.wrap('list', TTL_MS, make);
      },
    },
  };
}

/**
 * @param envOf makes the environment; takes variables
 * @param redisUrl undefined: Redis is not measured
 * @returns ns a call, by what was called
 */
export async function measureReads(envOf, redisUrl) {
  const inProcess = await within(envOf({}), async (app, tenant) => {
    const { prepare, cell } = hits(app);
    await prepare();
    const sessions = app.get(tenantRepositoryToken(ChatSession), { strict: false });
    for (let at = 0; at < VALUE.length; at++) await app.get(SessionService, { strict: false }).prepare().write();
    const statement = async () => {
      for (let at = 0; at < HITS / 10; at++) await sessions.find({ take: VALUE.length });
    };
    return inTurns({ ...settingCells(app, tenant), hit: cell, statement: { calls: HITS / 10, run: statement } });
  });
  if (redisUrl === undefined) return inProcess;
  const redis = await within(envOf({ REDIS_URL: redisUrl }), async (app) => {
    const { prepare, cell } = hits(app);
    await prepare();
    return inTurns({ hit: cell });
  });
  return { ...inProcess, redisHit: redis.hit };
}
