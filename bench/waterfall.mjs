// What each layer costs: the thread's time by layer from a CPU profile, and row-level security in the database.
import { readFileSync } from 'node:fs';
import pg from 'pg';

/** From the outside in. A sample belongs to the first layer that knows its nearest frame. */
const LAYERS = [
  ['garbage collector', /^\(garbage collector\)/],
  [
    'log and metrics',
    /node_modules\/(pino|sonic-boom|prom-client|nestjs-pino|quick-format)|src\/(logs|metrics)\/|request-log/,
  ],
  ['security headers', /node_modules\/helmet/],
  ['limits', /src\/limits\/|node_modules\/@nestjs\/throttler/],
  ['fairness', /src\/fairness\/|admission\.middleware/],
  ['guards', /src\/auth\/|node_modules\/(jsonwebtoken|jws|jwa|passport|@nestjs\/passport)/],
  ['audit', /src\/audit\//],
  [
    'checks of the body',
    /node_modules\/(class-validator|class-transformer|validator|body-parser|raw-body)|validation\.pipe/,
  ],
  ['ORM', /node_modules\/typeorm/],
  [
    'tenant and scope',
    /src\/tenancy\/(tenant\.(resolver|runner|context|directory|look-up|credential)|resolution|credential|live\.cache)|tenancy\.middleware|request\.address|node_modules\/(nestjs-cls|lru-cache)/,
  ],
  ['tenant transaction', /src\/tenancy\//],
  ['database driver', /node_modules\/(pg|pg-protocol|pg-pool|pg-types)\//],
  ['framework', /node_modules\/(@nestjs|express|router|rxjs|iterare|reflect-metadata|path-to-regexp)|src\/http\//],
  ['the module itself', /dist\/src\//],
];
const REST = 'HTTP and Node itself';

/** @returns the thread's busy time in µs by layer */
export function layersOf(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const known = new Map();
  const layerAt = (id) => {
    if (id === undefined) return REST;
    if (!known.has(id)) {
      const { functionName, url } = byId.get(id).callFrame;
      const layer = LAYERS.find(([, pattern]) => pattern.test(url === '' ? functionName : url));
      known.set(id, layer?.[0] ?? layerAt(parents.get(id)));
    }
    return known.get(id);
  };
  const times = Object.fromEntries([...LAYERS.map(([name]) => name), REST].map((name) => [name, 0]));
  samples.forEach((id, index) => {
    if (byId.get(id).callFrame.functionName !== '(idle)') times[layerAt(id)] += timeDeltas[index];
  });
  return times;
}

const BY_KEY = 'SELECT id, created_at FROM shared.chat_sessions WHERE tenant_id = $1 AND id = $2';
const READS = 2000;
const ROUNDS = 5;

/**
 * A statement by key as the owner of the tables, to whom no policy applies, in a transaction of its own; and as the role
 * of tenants, whose scope is set in the same flight.
 *
 * @returns µs each, of the rounds in turns
 */
export async function policyCost(ownerUrl, tenantUrl, tenantId, sessionId) {
  const clients = [ownerUrl, tenantUrl].map((connectionString) => new pg.Client({ connectionString, pipeline: true }));
  await Promise.all(clients.map((client) => client.connect()));
  const [owner, tenant] = clients;
  const scope = `BEGIN; SET LOCAL app.tenant_id = '${tenantId}'`;
  const read = (client, begin) => async () => {
    const [, { rowCount }] = await Promise.all([
      client.query(begin),
      client.query({ name: 'by-key', text: BY_KEY, values: [tenantId, sessionId] }),
      client.query('COMMIT'),
    ]);
    if (rowCount !== 1) throw new Error('the session was not found');
  };
  const cells = { owner: read(owner, `BEGIN; SET LOCAL application_name = 'bench'`), tenant: read(tenant, scope) };
  const results = { owner: [], tenant: [] };
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, cell] of Object.entries(cells)) {
        const started = performance.now();
        for (let n = 0; n < READS; n++) await cell();
        if (round > 0) results[name].push(((performance.now() - started) * 1000) / READS);
      }
    }
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
  return { owner: median(results.owner), tenant: median(results.tenant) };
}
