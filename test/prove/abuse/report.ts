import { MEANT } from './answer.check.js';
import type { Fault, Tally } from './abuse.js';

/** What became of every operation, as a table. */
export function table(tallies: Tally[]): string {
  const classes = ['2xx', '3xx', '4xx', '5xx'];
  const lines = tallies.map(({ operation, requests, answers, faults, slowestMs }) =>
    [
      operation.padEnd(62),
      ...[requests, ...classes.map((kind) => answers[kind] ?? 0), Math.round(slowestMs), faults.length].map((n) =>
        String(n).padStart(8),
      ),
    ].join(''),
  );
  const head = [
    'operation'.padEnd(62),
    ...['requests', ...classes, 'max ms', 'faults'].map((name) => name.padStart(8)),
  ].join('');
  return [head, ...lines].join('\n');
}

/** The 503 that were given and meant, with the reason. */
export function meant(tallies: Tally[]): string {
  const counts = new Map<string, number>();
  for (const tally of tallies) {
    for (const [code, count] of Object.entries(tally.meant)) counts.set(code, (counts.get(code) ?? 0) + count);
  }
  return [...counts].map(([code, count]) => `  ${code} ${count}×: ${MEANT[code]}`).join('\n') || '  none';
}

/** A fault with what shows it. */
export const told = ({ operation, what, curl, answer }: Fault): string =>
  `${operation} ${what}\n  ${curl}\n  → ${answer.replaceAll('\n', '\n    ')}`;

/** @returns the sum over all operations */
export const requestsOf = (tallies: Tally[]): number => tallies.reduce((sum, { requests }) => sum + requests, 0);

/** Operations that refused everything: what they do when they serve was not tried. */
export function unserved(tallies: Tally[]): string {
  const refused = tallies.filter(({ answers }) => !answers['2xx'] && !answers['3xx']);
  return `${refused.length} operations served nothing${refused.map(({ operation }) => `\n  ${operation}`).join('')}`;
}
