// What others notice of a tenant that floods.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { distribution } from './plots.mjs';

export const MAX_FLOOD_P99_RATIO = 1.5;
export const TENANTS = 20;
/** Requests/s of each tenant. */
const RATE = 10;
const FLOOD = 100;
const CONNECTIONS = 64;
const WARMUP_MS = 2000;
/** Before the first round: a process that is new compiles as it runs, at several times the cost of a request. */
const HEAT_MS = 10_000;
const SHARES = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

/**
 * Offers chats of many tenants at a fixed rate, without and with one more that offers a hundred times as many, in turns.
 *
 * @param tools.flooder a load client of its own, so that the flood does not slow the one that measures
 */
export async function compareFairness({ start, load, flooder, slugOf, seconds, rounds, say, out }) {
  const target = await start();
  const sessions = await load('open', {
    port: target.port,
    slugs: Array.from({ length: TENANTS + 1 }, (_, n) => slugOf(n)),
  });
  const [flooding, ...others] = sessions;
  const offer = (client, of, rate, more = {}) =>
    client('offer', {
      port: target.port,
      scenario: 'chat',
      sessions: of,
      rate,
      most: CONNECTIONS,
      warmupMs: WARMUP_MS,
      measureMs: seconds * 1000,
      ...more,
    });
  const { port } = target;
  await load('measure', { port, scenario: 'chat', sessions, connections: 16, warmupMs: 0, measureMs: HEAT_MS });
  const states = { alone: [], flooded: [] };
  const floods = [];
  for (let round = 1; round <= rounds; round++) {
    states.alone.push(await offer(load, others, RATE));
    const [measured, flood] = await Promise.all([
      offer(load, others, RATE),
      offer(flooder, [flooding], RATE * FLOOD, { most: 4 * CONNECTIONS }),
    ]);
    states.flooded.push(measured);
    floods.push(flood);
    const p99 = (results) => at(results.at(-1).times, 0.99).toFixed(2);
    say(
      `fairness  round ${round}/${rounds}  p99 ${p99(states.alone)} ms alone, ${p99(states.flooded)} ms beside the flood`,
    );
  }
  await target.stop();
  const summary = Object.fromEntries(Object.entries(states).map(([name, results]) => [name, summaryOf(results)]));
  const result = {
    tenants: TENANTS,
    rate: RATE,
    flood: RATE * FLOOD,
    ...summary,
    ratio: summary.flooded.p99 / summary.alone.p99,
    floodStatuses: floods.reduce((sum, { statuses }) => added(sum, statuses), {}),
  };
  const curves = Object.entries(states).map(([name, results]) => ({ name, times: sorted(results) }));
  const title = `${TENANTS} tenants at ${RATE}/s each, without and with one at ${result.flood}/s: p99 ratio ${result.ratio.toFixed(2)}`;
  const plot = distribution(title, 'latency of the others, from the moment a request was due', curves);
  writeFileSync(path.join(out, 'fairness.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(path.join(out, 'fairness.svg'), plot);
  return { ...result, plot };
}

const sorted = (results) => results.flatMap(({ times }) => times).sort((a, b) => a - b);

function added(sum, statuses) {
  for (const [status, count] of Object.entries(statuses)) sum[status] = (sum[status] ?? 0) + count;
  return sum;
}

function summaryOf(results) {
  const times = sorted(results);
  const statuses = results.reduce((sum, result) => added(sum, result.statuses), {});
  const errors = Object.entries(statuses).reduce((sum, [status, n]) => (/^2/.test(status) ? sum : sum + n), 0);
  const firstError = results.find((result) => result.firstError)?.firstError;
  const shares = Object.fromEntries(SHARES.map((share) => [`p${share * 100}`, at(times, share)]));
  return { requests: times.length + errors, errors, firstError, ...shares };
}
