// The three isolation models beside each other, what the fence costs, what making and moving a tenant takes, and what a
// thousand tenants in schemas of their own take in memory.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { adminOf } from './control-plane.mjs';
import { makeSchemas } from './placements.mjs';

export const MIN_MODEL_RATIO = 0.9;
export const MAX_CREATE_S = 1;
export const MAX_PAUSE_S = 1;
/** Of one process, for a thousand tenants in schemas. */
export const MAX_SCHEMAS_MB = 20;
export const MODELS = ['shared', 'schema', 'database'];
/** Each model's tenant has as many connections as the others. */
export const MODELS_ENV = {
  DB_MAX_CONNECTIONS: '60',
  DB_TENANT_CONNECTIONS: '10',
  WARM_SCHEMAS: '4',
  WARM_DATABASES: '4',
};

const CREATES = 12;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

/** Limits that are counted and never reached, whatever the plan. */
export const lifted = (limit) => ({
  'limits.chat_per_10s': limit,
  'limits.requests_per_hour': limit * 100,
  'limits.visitor_address_per_10s': limit,
});

const SETTINGS = (limit) => ({ 'chat.public': true, model: 'mock-1', ...lifted(limit) });

/** The entry into a tenant's scope as it would be if no tenant ever moved. */
const WITHOUT_FENCE = `CREATE OR REPLACE FUNCTION shared.enter(tenant text, place text) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    setting text := set_config('app.tenant_id', tenant, true);
  BEGIN
    IF place <> 'shared' THEN
      setting := set_config('search_path', quote_ident(place), true);
    END IF;
  END $$`;

async function openSessions(load, port, slug) {
  return load('open', { port, slugs: Array.from({ length: 100 }, () => slug) });
}

/** The same load on one tenant of each model in one process, and on shared tables without the fence. */
export async function compareModels({ load, start, sql, inTurn, measure, limit }) {
  const target = await start('models', MODELS_ENV);
  const admin = await adminOf(target.port);
  const sessions = {};
  for (const isolation of MODELS) {
    const slug = `bench-${isolation}`;
    await admin.create(slug, { isolation, settings: SETTINGS(limit) });
    await admin.active(slug);
    sessions[isolation] = await openSessions(load, target.port, slug);
  }
  const unfenced = await start('unfenced', {});
  await sql(unfenced.url, WITHOUT_FENCE);
  const others = await openSessions(load, unfenced.port, 'acme');
  const results = {};
  for (const scenario of ['chat', 'session-read']) {
    const cells = MODELS.map((model) => [model, () => measure(load, target, scenario, sessions[model])]);
    cells.push(['shared, no fence', () => measure(load, unfenced, scenario, others)]);
    results[scenario] = await inTurn(`models ${scenario}`, Object.fromEntries(cells));
  }
  const creates = await measureCreates(admin, async (kind) => {
    const count = `SELECT count(*)::int AS n FROM platform.places WHERE state = 'spare' AND kind = '${kind}'`;
    while ((await sql(target.url, count))[0].n === 0) await sleep(50);
  });
  await unfenced.stop();
  await target.stop();
  return { results, creates };
}

/** Tenants beside the one that is measured whose histories are kept in the same tables. */
export const REMEMBERING_NEIGHBOURS = 50;

/**
 * The same load of writes on a tenant whose history is kept, on one whose is not, and on one whose is not beside many whose
 * are.
 */
export async function compareHistory({ load, start, inTurn, measure, limit, dir }) {
  const serve = async (name) => {
    const target = await start(name, { ...MODELS_ENV, BACKUP_DIR: path.join(dir, 'backups', name) });
    const admin = await adminOf(target.port);
    const tenant = async (slug) => {
      await admin.create(slug, { isolation: 'shared', settings: SETTINGS(limit) });
      await admin.active(slug);
    };
    const remember = async (slug) => {
      await tenant(slug);
      await admin.call('PUT', `/${slug}/history`, { days: 7 });
      while ((await admin.call('GET', `/${slug}/history`)).reaches_back_to === null) await sleep(100);
    };
    const cell = async (slug) => {
      const sessions = await openSessions(load, target.port, slug);
      return () => measure(load, target, 'chat', sessions);
    };
    return { target, tenant, remember, cell };
  };
  const alone = await serve('history');
  await alone.tenant('forgetful');
  await alone.remember('mindful');
  const crowd = await serve('histories');
  await crowd.tenant('neighbour');
  for (let index = 0; index < REMEMBERING_NEIGHBOURS; index++) await crowd.remember(`mindful-${index}`);
  const results = await inTurn('history', {
    'no history': await alone.cell('forgetful'),
    history: await alone.cell('mindful'),
    'none beside many': await crowd.cell('neighbour'),
  });
  await alone.target.stop();
  await crowd.target.stop();
  return results;
}

/**
 * @param ready waits until a spare place of that kind is there
 * @returns median of milliseconds until a tenant is in service, by model
 */
async function measureCreates(admin, ready) {
  const result = {};
  for (const isolation of MODELS) {
    const times = [];
    for (let index = 0; index < CREATES; index++) {
      if (isolation !== 'shared') await ready(isolation);
      const slug = `made-${isolation}-${index}`;
      const started = performance.now();
      await admin.create(slug, { isolation });
      await admin.active(slug);
      if (index >= 2) times.push(performance.now() - started);
    }
    result[isolation] = median(times);
  }
  return result;
}

const FILL = (tenant, rows) => [
  `INSERT INTO shared.chat_sessions (tenant_id, id, token_hash)
   SELECT '${tenant}', gen_random_uuid(), sha256(int8send(n)) FROM generate_series(1, ${rows / 100}) n`,
  `INSERT INTO shared.chat_messages (tenant_id, id, session_id, role, content)
   SELECT s.tenant_id, gen_random_uuid(), s.id, 'user', 'hello, can you help me with my order number ' || n || '?'
     FROM shared.chat_sessions s, generate_series(1, 99) n WHERE s.tenant_id = '${tenant}'`,
  'VACUUM ANALYZE',
  'CHECKPOINT',
];

/** @returns for each move of a tenant of that size, in turn, rows a second, the pause in ms and how long it took, in s */
export async function measureMoves({ start, sql, rows, say }) {
  const target = await start('moves', MODELS_ENV);
  const [{ id }] = await sql(target.url, `SELECT id FROM platform.tenants WHERE slug = 'acme'`);
  await sql(target.url, ...FILL(id, rows));
  const admin = await adminOf(target.port);
  const moves = [];
  let from = 'shared';
  for (const to of ['schema', 'database', 'shared']) {
    const started = performance.now();
    await admin.call('POST', '/acme/move', { isolation: to });
    let move;
    do {
      await sleep(100);
      move = await admin.call('GET', '/acme/move');
    } while (move.state === 'running');
    if (move.pause_ms === null) throw new Error(`the move ended as ${JSON.stringify(move)}`);
    const seconds = (performance.now() - started) / 1000;
    moves.push({ from, to, seconds, rowsPerSecond: rows / seconds, pauseMs: move.pause_ms });
    say(`${from} -> ${to}  ${(rows / seconds).toFixed(0)} rows/s, pause ${move.pause_ms} ms`);
    from = to;
  }
  await target.stop();
  return moves;
}

const SCHEMA_TENANTS = `UPDATE platform.tenants t SET placement = jsonb_build_object('kind', 'schema', 'server', 'default', 'schema', p.name)
  FROM (SELECT name, row_number() OVER (ORDER BY name) AS n FROM platform.places WHERE kind = 'schema') p,
       (SELECT id, row_number() OVER (ORDER BY slug) AS n FROM platform.tenants WHERE slug LIKE 'bench-%') b
 WHERE b.id = t.id AND b.n = p.n`;
const USED = `UPDATE platform.places p SET state = 'used', tenant_id = t.id FROM platform.tenants t
  WHERE t.placement->>'schema' = p.name`;
const BACKENDS = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND right(usename, 7) = '_tenant'`;

/** @returns what serving a thousand tenants in schemas adds to a process and to each of its backends, in MB */
export async function measureMemory({ load, prepare, register, envOf, start, sql, schemas, say }) {
  const url = await prepare('memory');
  await register(url, 2 * schemas);
  await makeSchemas({ env: envOf(url), schemas });
  say(`memory  ${schemas} schemas made`);
  await sql(url, SCHEMA_TENANTS, USED, 'ANALYZE');
  const target = await start(
    'memory',
    { ...MODELS_ENV, TENANT_CACHE_SIZE: '20000', WARM_SCHEMAS: '0', WARM_DATABASES: '0' },
    url,
  );
  const slug = (index) => `bench-${String(index).padStart(6, '0')}`;
  const visit = async (from) => {
    const slugs = Array.from({ length: schemas }, (_, index) => slug(from + index));
    for (let round = 0; round < 2; round++) await load('open', { port: target.port, slugs });
    const pids = (await sql(target.url, BACKENDS)).map(({ pid }) => pid);
    return {
      heap: await heapOf(target.inspect),
      backend: pids.reduce((sum, pid) => sum + privateBytes(pid), 0) / pids.length,
    };
  };
  // As many tenants in shared tables first: what a tenant costs as such is not what its schema costs.
  await visit(schemas);
  const before = await visit(schemas);
  await visit(0);
  const after = await visit(0);
  await target.stop();
  const MB = 1024 * 1024;
  return {
    process: (after.heap - before.heap) / MB,
    backend: (after.backend - before.backend) / MB,
    backendBefore: before.backend / MB,
  };
}

/** What a process keeps for itself alone, in bytes. Linux only. */
function privateBytes(pid) {
  const text = readFileSync(path.join('/proc', String(pid), 'smaps_rollup'), 'utf8');
  return 1024 * [...text.matchAll(/^Private_\w+:\s+(\d+) kB/gm)].reduce((sum, [, kB]) => sum + Number(kB), 0);
}

/** What lives on the heap of the process and beside it, after garbage was collected, in bytes. */
async function heapOf(inspectPort) {
  const [{ webSocketDebuggerUrl }] = await (await fetch(`http://127.0.0.1:${inspectPort}/json/list`)).json();
  const socket = new globalThis.WebSocket(webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let last = 0;
  const call = (method, params) =>
    new Promise((resolve) => {
      const id = ++last;
      const hear = ({ data }) => {
        const answer = JSON.parse(data);
        if (answer.id !== id) return;
        socket.removeEventListener('message', hear);
        resolve(answer.result);
      };
      socket.addEventListener('message', hear);
      socket.send(JSON.stringify({ id, method, params }));
    });
  for (let round = 0; round < 3; round++) await call('HeapProfiler.collectGarbage');
  const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
  const { result } = await call('Runtime.evaluate', { expression });
  socket.close();
  return result.value;
}
