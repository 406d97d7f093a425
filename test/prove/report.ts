import type { Leak } from './prober.js';
import type { Result } from './suite.js';

/** Kinds of leaks that a short list shows. */
const SHOWN = 40;

/** Lines for people. */
export function told(
  result: Result,
  { model, subject, seed }: { model: string; subject: string; seed: number },
): string {
  const { probes, leaks, entered, refusedAll, ms } = result;
  const lines = [
    '',
    `${subject}, model ${model}, seed ${seed}: ${probes} probes in ${Math.round(ms / 1000)} s, ${leaks.length} leaks`,
    `  let somebody in: ${entered.length} operations; turned everybody away: ${refusedAll.length}`,
    ...(refusedAll.length > 0 ? [`  ${refusedAll.join('; ')}`] : []),
    ...leaks.flatMap(leakTold),
  ];
  return lines.join('\n');
}

function leakTold({ from, what, curl = [] }: Leak): string[] {
  return [`  LEAK ${from}: ${what}`, ...curl.map((command) => `    ${command}`)];
}

/** The first of each kind, and how many there were. */
export function leaksTold(leaks: readonly Leak[]): string[] {
  const kinds = new Map<string, Leak[]>();
  for (const leak of leaks) kinds.set(leak.from, [...(kinds.get(leak.from) ?? []), leak]);
  const lines: string[] = [];
  for (const all of [...kinds.values()].slice(0, SHOWN)) {
    const [first] = all;
    const more = all.length > 1 ? ` (and ${all.length - 1} more)` : '';
    if (first) lines.push(...leakTold({ ...first, what: first.what + more }));
  }
  if (kinds.size > SHOWN) lines.push(`  … and from ${kinds.size - SHOWN} other places`);
  return lines;
}

export interface Row {
  name: string;
  kind: string;
  expected: string;
  seen: string;
  probes: number;
  by: string;
  leaks: readonly Leak[];
}

/** The table of mutations, in Markdown. */
export function table(rows: readonly Row[]): string {
  const head = ['mutation', 'kind', 'expected', 'seen', 'probes', 'seen by, or why it is harmless'];
  const cells = [
    head,
    head.map(() => '---'),
    ...rows.map((row) => [row.name, row.kind, row.expected, row.seen, String(row.probes), row.by]),
  ];
  const widths = head.map((_, at) => Math.max(...cells.map((line) => line[at]!.length)));
  const padded = cells.map((line, row) =>
    line.map((cell, at) =>
      row === 1 ? '-'.repeat(widths[at]!) : at === 4 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!),
    ),
  );
  return padded.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
