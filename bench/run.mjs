// Measures Tenantry beside the same service written plainly, all on one PostgreSQL server.
// BENCH_REDIS_URL names a Redis for the parts that measure it.
// node bench/run.mjs [--quick] [--seconds N] [--report] [--only <part>]
// --report puts what was measured into docs/bench.md.
import 'reflect-metadata';
import { fork, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../dist/migrations/index.js';
import { EmbeddedPostgres, prepareDatabase } from '../dist/src/database/index.js';
import { parseEnv } from '../dist/src/env/index.js';
import { TenantImport } from '../dist/src/tenant/index.js';
import {
  ADMIN_ENV,
  compareLists,
  MAX_CREATE_MS,
  MAX_LIST_RATIO,
  MAX_RESOLUTION_SHARE,
  measureCreates,
  measureResolution,
  SPREAD_STATES,
} from './control-plane.mjs';
import { Book } from './book.mjs';
import { MAX_START_S, measureStarts } from './cold-start.mjs';
import { compareFairness, MAX_FLOOD_P99_RATIO, TENANTS } from './fairness.mjs';
import {
  compareHistory,
  compareModels,
  lifted,
  MAX_CREATE_S,
  MAX_PAUSE_S,
  MAX_SCHEMAS_MB,
  measureMemory,
  measureMoves,
  MIN_MODEL_RATIO,
  REMEMBERING_NEIGHBOURS,
} from './models.mjs';
import { MAX_HIT_SHARE, MAX_SETTING_SHARE, measureReads } from './reads.mjs';
import { compareLimits, MAX_LIMITS_SHARE } from './limits.mjs';
import { MAX_NO_OP_MS, MAX_ONE_COLUMN_MS, measureMigrations } from './placements.mjs';
import { bars, waterfall } from './plots.mjs';
import { summarise } from './profile.mjs';
import { layersOf, policyCost } from './waterfall.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const out = path.join(here, 'out');

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '6' },
    only: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(options.seconds);
if (!(SECONDS > 0 && SECONDS <= 60)) throw new Error('--seconds takes a number up to 60');
const PARTS = [
  'chat',
  'session-read',
  'tenants',
  'auth',
  'fairness',
  'control-plane',
  'limits',
  'migrations',
  'models',
  'history',
  'moves',
  'memory',
  'reads',
  'waterfall',
  'rows',
  'start',
  'profile',
  'profile-read',
];
if (options.only && !PARTS.includes(options.only)) throw new Error(`--only takes one of ${PARTS.join(', ')}`);
const wanted = (name) => (options.only ? options.only === name : !name.startsWith('profile'));

const ROUNDS = options.quick ? 1 : 3;
const CONNECTIONS = 32;
const WARMUP_MS = 3000;
const POOL_SIZE = '10';
const REGISTERED = 100_000;
const HUGE = options.quick ? undefined : 1_000_000;
/** Messages of one tenant. */
const [FEW_ROWS, MANY_ROWS] = [1000, options.quick ? 100_000 : 2_000_000];
const SPREAD = 2000;
const SCHEMAS = options.quick ? 100 : 1000;
const MOVED_ROWS = options.quick ? 100_000 : 1_000_000;
const LIMIT = 1_000_000;
const MAX_P50_RATIO = 1.1;
const MIN_SIGNED_IN_RATIO = 0.9;
const MAX_SIGN_IN_P99_RATIO = 2;
const SIGN_INS = 20;
/** Connections of the chat whose latency is measured beside sign-ins: a service in use, not one at its limit. */
const BESIDE = 4;
const DEMO = ['acme', 'globex', 'initech'];
const MASTER_KEY = 'a-master-key-for-the-bench-of-32-characters';
const CONTENDERS = {
  tenantry: { title: 'tenantry' },
  'express-pg': { title: '(a) express + pg', target: 0.75 },
  'nest-typeorm': { title: '(b) nest + typeorm', target: 0.85 },
  memory: { title: '(c) in memory' },
};
const SCHEMA = `
  CREATE TABLE chat_sessions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_active_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash)
  );
  CREATE INDEX chat_sessions_idle ON chat_sessions (last_active_at);
  CREATE TABLE chat_messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    content text NOT NULL,
    model text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES chat_sessions (tenant_id, id) ON DELETE CASCADE
  );
  CREATE INDEX chat_messages_history ON chat_messages (tenant_id, session_id, id);`;

const say = (line) => process.stderr.write(`${line}\n`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
const cleanups = [];

// --- processes -----------------------------------------------------------------------------------------------

async function freePort() {
  const probe = net.createServer();
  await new Promise((done, fail) => probe.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
    });
    request.on('error', () => resolve(false));
  });
}

/** Starts one server process; its log goes to the null device, its stderr to a file. */
async function startServer(dir, label, script, env, nodeArgs = []) {
  const port = await freePort();
  const errorFile = path.join(dir, `${label}.stderr`);
  const stderr = openSync(errorFile, 'w');
  const child = spawn(process.execPath, [...nodeArgs, script], {
    cwd: root,
    stdio: ['ignore', 'ignore', stderr],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'development',
      HOST: '127.0.0.1',
      PORT: String(port),
      DATABASE_POOL_SIZE: POOL_SIZE,
      LOG_LEVEL: 'info',
      ...env,
    },
  });
  closeSync(stderr);
  const exited = new Promise((done) => child.once('exit', done));
  let gone = false;
  void exited.then(() => (gone = true));
  const stop = async () => {
    if (gone) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await exited;
    clearTimeout(timer);
  };
  cleanups.push(stop);
  for (let waited = 0; !(await answers(port)); waited += 50) {
    if (gone || waited > 60_000) throw new Error(`${label} did not start:\n${readFileSync(errorFile, 'utf8')}`);
    await sleep(50);
  }
  return { port, stop };
}

/** @param isFirst so that what is measured is the service and not how long the client waited for a core, where the system lets it */
function startLoad({ isFirst = false } = {}) {
  const child = fork(path.join(here, 'load.mjs'), { execArgv: [] });
  if (isFirst) {
    try {
      os.setPriority(child.pid, -10);
    } catch {
      say('the load client shares the cores with all others: only root may put it before them');
    }
  }
  const waiting = new Map();
  let last = 0;
  child.on('message', ({ id, output, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(output);
    else reject(new Error(error));
  });
  child.on('exit', () => waiting.forEach(({ reject }) => reject(new Error('the load client ended'))));
  cleanups.push(() => child.connected && child.disconnect());
  return (job, input) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      child.send({ id: last, job, input });
    });
}

// --- databases -----------------------------------------------------------------------------------------------

function urlOf(server, database) {
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  return url.toString();
}

async function sql(url, ...statements) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let result;
    for (const statement of statements) result = await client.query(statement);
    return result.rows;
  } finally {
    await client.end();
  }
}

async function createDatabase(server, name, ...statements) {
  await sql(server.url, `CREATE DATABASE ${name}`);
  const url = urlOf(server, name);
  if (statements.length > 0) await sql(url, ...statements);
  return url;
}

const tenantryEnv = (dir, url) => ({
  ...ADMIN_ENV,
  DATABASE_URL: url,
  DEMO: 'on',
  METRICS_PORT: '0',
  DATA_DIR: dir,
  MASTER_KEY,
});

/** The limiter still runs, it only never says no. */
async function startTenantry(dir, label, url, nodeArgs, env = {}) {
  const main = path.join(root, 'dist/src/main.js');
  const server = await startServer(dir, label, main, { ...tenantryEnv(dir, url), ...env }, nodeArgs);
  await sql(
    url,
    `UPDATE platform.tenants SET settings = settings || '${JSON.stringify(lifted(LIMIT))}'
      WHERE slug IN (${DEMO.map((slug) => `'${slug}'`).join(', ')})`,
    'NOTIFY tenantry_tenants',
  );
  await sleep(300);
  return server;
}

const slugOf = (index) => `bench-${String(index).padStart(6, '0')}`;

async function registerTenants(dir, url, count = REGISTERED) {
  const env = parseEnv({ ...tenantryEnv(dir, url), PORT: '0' }, root);
  const database = await prepareDatabase(env, MIGRATIONS);
  const platform = new DataSource({
    type: 'postgres',
    url: database.url('platform'),
    installExtensions: false,
    poolSize: 1,
  });
  await platform.initialize();
  try {
    const lines = Array.from({ length: count }, (_, index) => ({
      slug: slugOf(index),
      name: `Bench ${index}`,
      plan: undefined,
      settings: { 'chat.public': true, model: 'mock-1', welcome: 'Welcome.', ...lifted(LIMIT) },
      extra: {},
    }));
    await new TenantImport(platform).import(lines, { mode: 'missing' });
  } finally {
    await platform.destroy();
    await database.stop();
  }
}

// --- measuring -----------------------------------------------------------------------------------------------

async function measure(load, server, scenario, sessions, access = 'uniform', connections = CONNECTIONS) {
  const result = await load('measure', {
    port: server.port,
    scenario,
    sessions,
    access,
    connections,
    warmupMs: WARMUP_MS,
    measureMs: SECONDS * 1000,
  });
  return result;
}

/** @param cells by name, each a function that measures once; rounds take them in turn */
async function inTurn(label, cells) {
  const results = Object.fromEntries(Object.keys(cells).map((name) => [name, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [name, cell] of Object.entries(cells)) {
      const result = await cell();
      results[name].push(result);
      say(`${label}  ${name}  round ${round}/${ROUNDS}  ${result.rps.toFixed(0)} req/s`);
    }
  }
  return Object.fromEntries(
    Object.entries(results).map(([name, rounds]) => [
      name,
      {
        rps: median(rounds.map((round) => round.rps)),
        p50: median(rounds.map((round) => round.p50)),
        p99: median(rounds.map((round) => round.p99)),
        errors: rounds.reduce((sum, round) => sum + round.errors, 0),
        firstError: rounds.find((round) => round.firstError)?.firstError,
        rounds,
      },
    ]),
  );
}

async function compare(dir, server, load) {
  const scenarios = ['chat', 'session-read'].filter(wanted);
  if (scenarios.length === 0) return {};
  const running = {};
  for (const name of Object.keys(CONTENDERS)) {
    const database = `bench_${name.replace('-', '_')}`;
    const script = path.join(here, 'baselines', `${name}.mjs`);
    if (name === 'tenantry') running[name] = await startTenantry(dir, name, await createDatabase(server, database));
    else if (name === 'memory') running[name] = await startServer(dir, name, script, {});
    else {
      const url = await createDatabase(server, database, SCHEMA);
      running[name] = await startServer(dir, name, script, { DATABASE_URL: url });
    }
  }
  const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
  const sessions = {};
  for (const [name, { port }] of Object.entries(running)) sessions[name] = await load('open', { port, slugs });
  const results = {};
  for (const scenario of scenarios) {
    const cells = Object.entries(running).map(([name, target]) => [
      name,
      () => measure(load, target, scenario, sessions[name]),
    ]);
    results[scenario] = await inTurn(scenario, Object.fromEntries(cells));
  }
  for (const target of Object.values(running)) await target.stop();
  return results;
}

/** All have the same number of sessions, so that only the number of tenants differs. */
async function compareTenants(dir, server, load) {
  const slugs = Array.from({ length: SPREAD }, (_, index) => DEMO[index % DEMO.length]);
  const few = await startTenantry(dir, 'few', await createDatabase(server, 'bench_few'));
  const sides = [{ name: '3 tenants', target: few, slugs }];
  for (const count of [REGISTERED, ...(HUGE ? [HUGE] : [])]) {
    const url = await createDatabase(server, `bench_many_${count}`);
    say(`tenants  registering ${count}`);
    await registerTenants(dir, url, count);
    const target = await startTenantry(dir, `many-${count}`, url);
    const spread = Array.from({ length: SPREAD }, (_, index) => slugOf((index * count) / SPREAD));
    sides.push({ name: count.toLocaleString('en'), target, slugs: spread, url });
  }
  for (const side of sides) {
    side.sessions = await load('open', { port: side.target.port, slugs: side.slugs });
    // The import's own aftermath (vacuum, checkpoint, cold code) belongs to none of them.
    if (side.url) await sql(side.url, 'VACUUM ANALYZE', 'CHECKPOINT');
  }
  for (const { target, sessions } of sides) await measure(load, target, 'chat', sessions);
  const [base, ...many] = sides;
  const result = await inTurn('tenants', {
    [base.name]: () => measure(load, base.target, 'chat', base.sessions),
    ...Object.fromEntries(
      many.flatMap(({ name, target, sessions }) => [
        [`${name} uniform`, () => measure(load, target, 'chat', sessions)],
        [`${name} Zipf(1.0)`, () => measure(load, target, 'chat', sessions, 'zipf')],
      ]),
    ),
  });
  for (const { target } of sides) await target.stop();
  return result;
}

/** Of a tenant with many messages and one with few, in the same tables. */
async function compareRows(dir, server, load) {
  const url = await createDatabase(server, 'bench_rows');
  const target = await startTenantry(dir, 'rows', url);
  const sides = {};
  for (const [slug, rows] of [
    ['acme', FEW_ROWS],
    ['globex', MANY_ROWS],
  ]) {
    const sessions = await load('open', { port: target.port, slugs: Array.from({ length: 300 }, () => slug) });
    say(`rows  ${rows} messages for ${slug}`);
    await sql(url, fillMessages(slug, rows));
    sides[`${rows.toLocaleString('en')} messages`] = sessions;
  }
  await sql(url, 'VACUUM ANALYZE', 'CHECKPOINT');
  const results = {};
  for (const scenario of ['chat', 'session-read']) {
    const cells = Object.entries(sides).map(([name, sessions]) => [
      name,
      () => measure(load, target, scenario, sessions),
    ]);
    await cells[0][1]();
    results[scenario] = await inTurn(`rows ${scenario}`, Object.fromEntries(cells));
  }
  await target.stop();
  return results;
}

/** Spread over the tenant's sessions; as the superuser, to whom no policy applies. */
const fillMessages = (slug, rows) => `
  WITH sessions AS (
    SELECT s.tenant_id, s.id, row_number() OVER () - 1 AS at, count(*) OVER () AS of
      FROM shared.chat_sessions s JOIN platform.tenants t ON t.id = s.tenant_id WHERE t.slug = '${slug}'
  )
  INSERT INTO shared.chat_messages (tenant_id, id, session_id, role, content)
  SELECT s.tenant_id, gen_random_uuid(), s.id, 'user', 'message ' || n
    FROM generate_series(1, ${rows}) n JOIN sessions s ON s.at = n % s.of`;

async function measureWaterfall(dir, server, load) {
  const results = {};
  for (const scenario of ['chat', 'session-read', 'signed-in-read', 'rename']) {
    const folder = path.join(out, `profile-${scenario}`);
    rmSync(folder, { recursive: true, force: true });
    const url = await createDatabase(server, `bench_waterfall_${scenario.replaceAll('-', '_')}`);
    const target = await startTenantry(dir, `waterfall-${scenario}`, url, ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
    const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
    const open = ['signed-in-read', 'rename'].includes(scenario) ? 'openSignedIn' : 'open';
    const sessions = await load(open, { port: target.port, slugs });
    await measure(load, target, scenario, sessions);
    const { errors, firstError } = await measure(load, target, scenario, sessions);
    await target.stop();
    if (errors > 0) throw new Error(`${scenario}: ${errors} errors, first: ${firstError}`);
    const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
    const times = layersOf(path.join(folder, file));
    const all = Object.values(times).reduce((sum, time) => sum + time, 0);
    results[scenario] = Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time / all]));
  }
  return { layers: results, policy: await comparePolicy(dir, server) };
}

async function comparePolicy(dir, server) {
  const url = await createDatabase(server, 'bench_policy');
  await registerTenants(dir, url, 1);
  const database = await prepareDatabase(parseEnv({ ...tenantryEnv(dir, url), PORT: '0' }, root), MIGRATIONS);
  try {
    const [{ tenant_id: tenantId, id }] = await sql(
      url,
      `INSERT INTO shared.chat_sessions (tenant_id, id, token_hash)
       SELECT t.id, gen_random_uuid(), decode(md5(n::text), 'hex') FROM platform.tenants t, generate_series(1, 20000) n`,
      'VACUUM ANALYZE',
      'SELECT tenant_id, id FROM shared.chat_sessions LIMIT 1',
    );
    return await policyCost(url, database.url('tenant'), tenantId, id);
  } finally {
    await database.stop();
  }
}

/** What signing in costs: a signed-in read against a visitor's, and chat while others sign in. */
async function compareAuth(dir, server, load) {
  const url = await createDatabase(server, 'bench_auth');
  const target = await startTenantry(dir, 'auth', url);
  // Sign-ins from one address are limited, except for this plan.
  await sql(url, `UPDATE platform.tenants SET plan = 'unlimited' WHERE slug = 'globex'`, 'NOTIFY tenantry_tenants');
  const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
  const visitors = await load('open', { port: target.port, slugs });
  const users = await load('openSignedIn', { port: target.port, slugs });
  const reads = await inTurn('auth', {
    "visitor's read": () => measure(load, target, 'session-read', visitors),
    'signed-in read': () => measure(load, target, 'signed-in-read', users),
  });
  const others = startLoad();
  const someone = [{ slug: 'globex', email: 'member@globex.example', password: 'demo-password' }];
  const chat = () => measure(load, target, 'chat', visitors, 'uniform', BESIDE);
  let signIns = 0;
  const beside = await inTurn('auth', {
    'chat alone': chat,
    [`chat beside ${SIGN_INS} sign-ins`]: async () => {
      const [result, { rps }] = await Promise.all([
        chat(),
        measure(others, target, 'sign-in', someone, 'uniform', SIGN_INS),
      ]);
      signIns = rps;
      return result;
    },
  });
  await target.stop();
  return { ...reads, ...beside, signIns };
}

/** What platform admins wait for, and what every request pays for being one tenant's. */
async function compareControlPlane(dir, server, load) {
  const targets = {};
  for (const [name, count] of [
    ['few', 100],
    ['many', REGISTERED],
  ]) {
    const url = await createDatabase(server, `bench_list_${name}`);
    say(`control-plane  registering ${count}`);
    await registerTenants(dir, url, count);
    await sql(url, SPREAD_STATES, 'VACUUM ANALYZE', 'CHECKPOINT');
    targets[name] = await startTenantry(dir, `list-${name}`, url);
  }
  const lists = await compareLists({ ...targets, inTurn, load, seconds: SECONDS });
  const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
  const sessions = await load('open', { port: targets.few.port, slugs });
  const { rps } = await measure(load, targets.few, 'session-read', sessions);
  const creates = await measureCreates(targets.few.port, SECONDS);
  await targets.few.stop();
  await targets.many.stop();
  return { lists, creates, resolutionNs: await measureResolution(), requestNs: 1e9 / rps };
}

/** What settings and cache cost, against a session read over HTTP and a statement. */
async function compareReads(dir, server, load) {
  const target = await startTenantry(dir, 'reads', await createDatabase(server, 'bench_reads_http'));
  const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
  const sessions = await load('open', { port: target.port, slugs });
  const { rps } = await measure(load, target, 'session-read', sessions);
  await target.stop();
  const url = await createDatabase(server, 'bench_reads');
  const envOf = (more) => parseEnv({ ...tenantryEnv(dir, url), ...more, PORT: '0' }, root);
  return { ...(await measureReads(envOf, process.env.BENCH_REDIS_URL)), request: 1e9 / rps };
}

async function profile(dir, server, load, scenario) {
  const folder = path.join(out, 'profile');
  rmSync(folder, { recursive: true, force: true });
  const url = await createDatabase(server, 'bench_profile');
  const target = await startTenantry(dir, 'profile', url, ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  const slugs = Array.from({ length: 300 }, (_, index) => DEMO[index % DEMO.length]);
  const sessions = await load('open', { port: target.port, slugs });
  await measure(load, target, scenario, sessions);
  await target.stop();
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  return summarise(path.join(folder, file));
}

// --- report --------------------------------------------------------------------------------------------------

const book = new Book();

function table(rows) {
  if (!options.only?.startsWith('profile')) book.table(rows);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
  for (const row of rows) console.log(`  ${line(row).join('  ').trimEnd()}`);
  console.log();
}

const ms = (value) => value.toFixed(2);
const row = (title, { rps, p50, p99, errors }) => [title, rps.toFixed(0), ms(p50), ms(p99), String(errors)];
const verdict = (ok) => (ok ? 'ok' : 'miss');

function report({
  comparison,
  tenants,
  auth,
  fairness,
  control,
  limits,
  migrations,
  placements,
  reads,
  cpu,
  machine,
  more,
}) {
  const head = ['req/s', 'p50 ms', 'p99 ms', 'errors'];
  const ratios = [];
  for (const [scenario, results] of Object.entries(comparison)) {
    book.open(scenario);
    table([[scenario, ...head], ...Object.entries(results).map(([name, r]) => row(CONTENDERS[name].title, r))]);
    const lines = Object.entries(CONTENDERS).flatMap(([name, { title, target }]) => {
      if (name === 'tenantry') return [];
      const ratio = results.tenantry.rps / results[name].rps;
      const clean = results.tenantry.errors + results[name].errors === 0;
      const ok = target ? clean && ratio >= target : undefined;
      ratios.push({ scenario, against: title, ratio, target, ok });
      const wanted = target ? `>= ${target.toFixed(2)}` : '-';
      return [[`${scenario} / ${title}`, ratio.toFixed(2), wanted, target ? verdict(ok) : 'information']];
    });
    table([['tenantry, requests/s against', 'ratio', 'target', ''], ...lines]);
    const heights = Object.entries(results).map(([name, r]) => ({ name: CONTENDERS[name].title, value: r.rps }));
    book.plot(
      scenario,
      bars(`${scenario}: requests/s`, heights, (value) => value.toFixed(0)),
    );
  }
  if (tenants) {
    book.open('tenants');
    table([['tenants (chat)', ...head], ...Object.entries(tenants).map(([name, r]) => row(name, r))]);
    const { '3 tenants': base, ...others } = tenants;
    const lines = Object.entries(others).map(([name, r]) => {
      const ratio = r.p50 / base.p50;
      const ok = ratio <= MAX_P50_RATIO && r.errors + base.errors === 0;
      ratios.push({ scenario: 'tenants', against: name, ratio, target: MAX_P50_RATIO, ok });
      return [`${name} / 3 tenants`, ratio.toFixed(2), `<= ${MAX_P50_RATIO.toFixed(2)}`, verdict(ok)];
    });
    table([['p50 against', 'ratio', 'target', ''], ...lines]);
  }
  if (auth) {
    book.open('auth');
    const { signIns, ...cells } = auth;
    table([['auth', ...head], ...Object.entries(cells).map(([name, r]) => row(name, r))]);
    const [visitor, signedIn, alone, beside] = Object.values(cells);
    const lines = [
      ['signed-in read / visitor, requests/s', signedIn.rps / visitor.rps, '>=', MIN_SIGNED_IN_RATIO],
      [
        `chat beside ${SIGN_INS} sign-ins (${signIns.toFixed(0)}/s) / alone, p99`,
        beside.p99 / alone.p99,
        '<=',
        MAX_SIGN_IN_P99_RATIO,
      ],
    ].map(([against, ratio, relation, target]) => {
      const ok = relation === '>=' ? ratio >= target : ratio <= target;
      ratios.push({ scenario: 'auth', against, ratio, target, ok });
      return [against, ratio.toFixed(2), `${relation} ${target.toFixed(2)}`, verdict(ok)];
    });
    table([['auth', 'ratio', 'target', ''], ...lines]);
  }
  if (fairness) {
    book.open('fairness');
    const { alone, flooded, ratio, flood, floodStatuses, plot } = fairness;
    book.plot('fairness', plot);
    const line = (name, r) => [name, String(r.requests), ms(r.p50), ms(r.p99), String(r.errors)];
    const head = ['fairness (chat)', 'requests', 'p50 ms', 'p99 ms', 'errors'];
    table([head, line('others alone', alone), line(`others beside ${flood}/s of one tenant`, flooded)]);
    const ok = ratio <= MAX_FLOOD_P99_RATIO && alone.errors + flooded.errors === 0;
    ratios.push({ scenario: 'fairness', against: 'others alone, p99', ratio, target: MAX_FLOOD_P99_RATIO, ok });
    const target = `<= ${MAX_FLOOD_P99_RATIO.toFixed(2)}`;
    const answers = Object.entries(floodStatuses).map(([status, count]) => `${count} x ${status}`);
    table([
      ['p99 of others', 'ratio', 'target', ''],
      [`beside a flood (${answers.join(', ')}) / alone`, ratio.toFixed(2), target, verdict(ok)],
    ]);
  }
  if (control) {
    book.open('control-plane');
    const { lists, creates, resolutionNs, requestNs } = control;
    const share = resolutionNs / requestNs;
    const lines = [
      ...Object.entries(lists).map(([name, { few, many }]) => [
        `list ${name}, full pages: p50 with ${REGISTERED} tenants (${ms(many.p50)} ms) / with 100 (${ms(few.p50)} ms)`,
        many.p50 / few.p50,
        MAX_LIST_RATIO,
      ]),
      [
        `create until active, p50 in s (${creates.rate.toFixed(0)} tenants/s made at once)`,
        creates.p50 / 1000,
        MAX_CREATE_MS / 1000,
      ],
      [`resolution (${resolutionNs.toFixed(0)} ns) of a session read, warm`, share, MAX_RESOLUTION_SHARE],
    ].map(([against, ratio, target]) => {
      ratios.push({ scenario: 'control-plane', against, ratio, target, ok: ratio <= target });
      return [against, ratio.toFixed(3), `<= ${target.toFixed(2)}`, verdict(ratio <= target)];
    });
    table([['control plane', 'ratio', 'target', ''], ...lines]);
  }
  if (migrations) {
    book.open('migrations');
    const { schemas, made, noOp, oneColumn } = migrations;
    const lines = [
      [`nothing to do over ${schemas} schemas, the whole command, ms`, noOp, MAX_NO_OP_MS],
      [`one column in ${schemas} schemas, ms`, oneColumn, MAX_ONE_COLUMN_MS],
    ].map(([against, ratio, target]) => {
      ratios.push({ scenario: 'migrations', against, ratio, target, ok: ratio <= target });
      return [against, ratio.toFixed(0), `<= ${target}`, verdict(ratio <= target)];
    });
    table([[`migrations (${made.toFixed(0)} ms to make a schema)`, '', 'target', ''], ...lines]);
  }
  if (limits) {
    book.open('limits');
    reportLimits(limits, ratios);
  }
  reportPlacements(placements, ratios);
  if (reads) {
    book.open('reads');
    const { setting, property, hit, redisHit, statement, request } = reads;
    const lines = [
      [`a setting (${setting.toFixed(0)} ns) of a session read`, setting / request, MAX_SETTING_SHARE],
      [`a setting / the property of a plain object (${property.toFixed(1)} ns)`, setting / property],
      [
        `a hit in process (${(hit / 1000).toFixed(1)} us) of the statement that it saves`,
        hit / statement,
        MAX_HIT_SHARE,
      ],
      ...(redisHit
        ? [[`a hit in Redis (${(redisHit / 1000).toFixed(0)} us) of the same`, redisHit / statement, MAX_HIT_SHARE]]
        : []),
    ].map(([against, ratio, target]) => {
      const ok = target === undefined ? undefined : ratio <= target;
      ratios.push({ scenario: 'reads', against, ratio, target, ok });
      return [against, ratio.toFixed(4), target ? `<= ${target}` : '-', target ? verdict(ok) : 'information'];
    });
    table([['reads', 'ratio', 'target', ''], ...lines]);
  }
  reportMore(more, ratios);
  if (cpu) {
    const lines = (list) => list.slice(0, 12).map(({ name, share }) => [name, `${share.toFixed(1)} %`]);
    table([['self time by package', 'busy'], ...lines(cpu.packages)]);
    table([['self time by caller', 'busy'], ...lines(cpu.callers)]);
    table([['self time by function', 'busy'], ...lines(cpu.functions)]);
  }
  for (const [scenario, results] of Object.entries({
    ...comparison,
    ...(tenants && { tenants }),
    ...(auth && { auth: { ...auth, signIns: {} } }),
    ...Object.fromEntries(Object.entries(limits ?? {}).map(([name, { cells }]) => [`limits ${name}`, cells])),
    ...(fairness && { fairness: { alone: fairness.alone, flooded: fairness.flooded } }),
    ...Object.fromEntries(Object.entries(more.rows ?? {}).map(([name, cells]) => [`rows ${name}`, cells])),
    ...Object.fromEntries(Object.entries(control?.lists ?? {}).map(([name, cells]) => [`list ${name}`, cells])),
  })) {
    for (const [name, { errors, firstError }] of Object.entries(results)) {
      if (errors > 0) console.log(`  INVALID: ${scenario}, ${name}: ${errors} errors, first: ${firstError}`);
    }
  }
  console.log(`  ${machine}`);
  return ratios;
}

/** No limit of requests refuses any of these tenants: what is measured is what fairness alone does. */
async function measureFairness(dir, server) {
  const [load, flooder] = [startLoad({ isFirst: true }), startLoad()];
  const url = await createDatabase(server, 'bench_fairness');
  await registerTenants(dir, url, TENANTS + 1);
  await sql(
    url,
    `UPDATE platform.tenants SET plan = 'unlimited', settings = settings || '{"limits.visitor_address_per_10s":${LIMIT}}'
      WHERE slug LIKE 'bench-%'`,
  );
  return compareFairness({
    start: () => startTenantry(dir, 'fairness', url),
    load,
    flooder,
    slugOf,
    seconds: SECONDS,
    rounds: ROUNDS,
    say,
    out,
  });
}

/** What the parts about placements need of this one. */
function placementTools(dir, server, load) {
  const prepare = (label) => createDatabase(server, `bench_${label}`);
  const start = async (label, env, known) => {
    const url = known ?? (await prepare(label));
    const inspect = await freePort();
    const { port, stop } = await startTenantry(dir, label, url, [`--inspect=127.0.0.1:${inspect}`], env);
    return { port, stop, url, inspect };
  };
  const register = (url, count) => registerTenants(dir, url, count);
  const envOf = (url) => parseEnv({ ...tenantryEnv(dir, url), PORT: '0' }, root);
  return { load, start, prepare, register, envOf, sql, inTurn, measure, say, freePort, limit: LIMIT, dir };
}

function reportLimits(limits, ratios) {
  const lines = [];
  for (const [scenario, { cells, ns }] of Object.entries(limits)) {
    const head = ['req/s', 'p50 ms', 'p99 ms', 'errors'];
    table([[`${scenario} of a tenant with`, ...head], ...Object.entries(cells).map(([name, r]) => row(name, r))]);
    const share = ns / (1e9 / cells['no limits (process)'].rps);
    const ok = share <= MAX_LIMITS_SHARE;
    const against = `the check in process (${ns.toFixed(0)} ns) of a ${scenario}`;
    ratios.push({ scenario: 'limits', against, ratio: share, target: MAX_LIMITS_SHARE, ok });
    lines.push([against, share.toFixed(3), `<= ${MAX_LIMITS_SHARE.toFixed(2)}`, verdict(ok)]);
    for (const where of ['process', 'redis']) {
      if (!cells[`limits in ${where}`]) continue;
      const cost = 1 - cells[`limits in ${where}`].rps / cells[`no limits (${where})`].rps;
      lines.push([`requests/s of a ${scenario} that limits in ${where} take`, cost.toFixed(3), '-', 'information']);
    }
  }
  table([['limits', 'share', 'target', ''], ...lines]);
}

function reportPlacements({ models, history, moves, memory }, ratios) {
  const head = ['req/s', 'p50 ms', 'p99 ms', 'errors'];
  let lines = [];
  const line = (against, ratio, relation, target, digits = 2) => {
    const ok = relation === '>=' ? ratio >= target : ratio <= target;
    ratios.push({ scenario: 'placements', against, ratio, target, ok });
    lines.push([against, ratio.toFixed(digits), `${relation} ${target}`, verdict(ok)]);
  };
  const close = (title) => {
    table([[title, '', 'target', ''], ...lines]);
    lines = [];
  };
  if (models) {
    book.open('models');
    for (const [scenario, cells] of Object.entries(models.results)) {
      table([[`${scenario} by model`, ...head], ...Object.entries(cells).map(([name, r]) => row(name, r))]);
      for (const model of ['schema', 'database'])
        line(`${scenario}, requests/s, ${model} / shared`, cells[model].rps / cells.shared.rps, '>=', MIN_MODEL_RATIO);
      const fence = cells.shared.rps / cells['shared, no fence'].rps;
      lines.push([`${scenario}, requests/s, with / without the fence`, fence.toFixed(2), '-', 'information']);
    }
    for (const [model, ms] of Object.entries(models.creates))
      line(
        `create until active, s, ${model}${model === 'shared' ? '' : ' with a spare'}`,
        ms / 1000,
        '<=',
        MAX_CREATE_S,
      );
    close('models');
  }
  if (history) {
    book.open('history');
    table([['chat of a tenant with', ...head], ...Object.entries(history).map(([name, r]) => row(name, r))]);
    const share = history.history.rps / history['no history'].rps;
    lines.push(['chat, requests/s, with / without history', share.toFixed(2), '-', 'information']);
    const beside = history['none beside many'].rps / history['no history'].rps;
    const many = `chat, requests/s, beside ${REMEMBERING_NEIGHBOURS} tenants with a history / alone`;
    lines.push([many, beside.toFixed(2), '-', 'information']);
    close('history');
  }
  if (moves) {
    book.open('moves');
    for (const { from, to, rowsPerSecond, pauseMs } of moves)
      line(`pause of ${from} -> ${to}, s (${rowsPerSecond.toFixed(0)} rows/s)`, pauseMs / 1000, '<=', MAX_PAUSE_S, 3);
    close('moves');
  }
  if (memory) {
    book.open('memory');
    line(`${SCHEMAS} tenants in schemas, MB in the process`, memory.process, '<=', MAX_SCHEMAS_MB, 1);
    const backend = `… and MB in each backend, which had ${memory.backendBefore.toFixed(1)}`;
    lines.push([backend, memory.backend.toFixed(1), '-', 'information']);
    close('memory');
  }
}

function reportMore({ layers, rows, starts }, ratios) {
  if (layers) {
    book.open('waterfall');
    for (const [scenario, shares] of Object.entries(layers.layers)) {
      const percent = (share) => `${(share * 100).toFixed(1)} %`;
      const lines = Object.entries(shares).map(([name, share]) => [name, percent(share)]);
      table([[scenario, "of the thread's time"], ...lines]);
      const steps = Object.entries(shares).map(([name, value]) => ({ name, value }));
      book.plot(`waterfall-${scenario}`, waterfall(`${scenario}: the thread's time by layer`, steps, percent));
    }
    const { owner, tenant } = layers.policy;
    ratios.push({ scenario: 'waterfall', against: 'no policy', ratio: tenant / owner });
    table([
      ['a statement by key, µs', '', 'ratio'],
      ['as the owner, no policy', owner.toFixed(0), '1.00'],
      ['as the role of tenants, by policy', tenant.toFixed(0), (tenant / owner).toFixed(2)],
    ]);
  }
  if (rows) {
    book.open('rows');
    for (const [scenario, cells] of Object.entries(rows)) {
      const head = ['req/s', 'p50 ms', 'p99 ms', 'errors'];
      table([[`${scenario} of a tenant with`, ...head], ...Object.entries(cells).map(([name, r]) => row(name, r))]);
      const [few, many] = Object.values(cells);
      const ratio = many.p50 / few.p50;
      const ok = ratio <= MAX_P50_RATIO && few.errors + many.errors === 0;
      ratios.push({ scenario: 'rows', against: `${scenario}, p50`, ratio, target: MAX_P50_RATIO, ok });
      table([
        [`p50 of ${scenario}`, 'ratio', 'target', ''],
        ['many / few', ratio.toFixed(2), `<= ${MAX_P50_RATIO.toFixed(2)}`, verdict(ok)],
      ]);
    }
  }
  if (starts) {
    book.open('start');
    const [first, again] = [median(starts.first), median(starts.again)];
    const ok = again <= MAX_START_S;
    ratios.push({ scenario: 'start', against: 's to ready', ratio: again, target: MAX_START_S, ok });
    table([
      ['npm start to ready, s', '', 'target', ''],
      ['the first, with a database to make', first.toFixed(2), '-', 'information'],
      ['again', again.toFixed(2), `<= ${MAX_START_S}`, verdict(ok)],
    ]);
  }
}

async function compareMigrations(dir, server) {
  const variables = tenantryEnv(dir, await createDatabase(server, 'migrations'));
  const env = parseEnv({ ...variables, PORT: '0' }, root);
  return measureMigrations({ env, variables, schemas: SCHEMAS, say });
}

async function main() {
  mkdirSync(out, { recursive: true });
  const dir = mkdtempSync(path.join(os.tmpdir(), 'tenantry-bench-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const server = await EmbeddedPostgres.start({ dataDir: path.join(dir, 'data') });
  cleanups.push(() => server.stop());
  const load = startLoad();
  const [{ version }] = await sql(server.url, `SELECT current_setting('server_version') AS version`);
  const comparison = await compare(dir, server, load);
  const tenants = wanted('tenants') ? await compareTenants(dir, server, load) : undefined;
  const auth = wanted('auth') ? await compareAuth(dir, server, load) : undefined;
  const fairness = wanted('fairness') ? await measureFairness(dir, server) : undefined;
  const control = wanted('control-plane') ? await compareControlPlane(dir, server, load) : undefined;
  const migrations = wanted('migrations') ? await compareMigrations(dir, server) : undefined;
  const tools = placementTools(dir, server, load);
  const limits = wanted('limits') ? await compareLimits(tools) : undefined;
  const placements = {
    models: wanted('models') ? await compareModels(tools) : undefined,
    history: wanted('history') ? await compareHistory(tools) : undefined,
    moves: wanted('moves') ? await measureMoves({ ...tools, rows: MOVED_ROWS }) : undefined,
    memory: wanted('memory') ? await measureMemory({ ...tools, schemas: SCHEMAS }) : undefined,
  };
  const reads = wanted('reads') ? await compareReads(dir, server, load) : undefined;
  const more = {
    layers: wanted('waterfall') ? await measureWaterfall(dir, server, load) : undefined,
    rows: wanted('rows') ? await compareRows(dir, server, load) : undefined,
    starts: wanted('start') ? await measureStarts({ root, rounds: ROUNDS, freePort, say }) : undefined,
  };
  const profiled = wanted('profile') ? 'chat' : wanted('profile-read') ? 'session-read' : undefined;
  const cpu = profiled ? await profile(dir, server, load, profiled) : undefined;
  const cpus = os.cpus();
  const rounds = `${ROUNDS} round${ROUNDS > 1 ? 's' : ''} of ${SECONDS} s after ${WARMUP_MS / 1000} s`;
  const software = `Node ${process.version}, PostgreSQL ${version}`;
  const machine = `${cpus.length} cores (${cpus[0]?.model}), ${software}; ${rounds}, ${CONNECTIONS} connections`;
  console.log();
  const measured = { comparison, tenants, auth, fairness, control, limits, migrations, placements, reads, cpu };
  const ratios = report({ ...measured, machine, more });
  const when = new Date().toISOString();
  // The plot is a file of its own.
  const { plot, ...figures } = fairness ?? {};
  const results = { ...measured, fairness: plot && figures, ...more, ratios };
  const text = JSON.stringify({ when, machine, rounds: ROUNDS, seconds: SECONDS, ...results }, null, 2);
  writeFileSync(path.join(out, 'bench.json'), `${text}\n`);
  const flags = `${options.quick ? ' --quick' : ''} --seconds ${SECONDS}`;
  if (options.report) book.write(path.join(root, 'docs'), { when, machine, flags });
}

async function cleanUp() {
  for (const step of cleanups.splice(0).reverse()) await step();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));
try {
  await main();
} finally {
  await cleanUp();
}
