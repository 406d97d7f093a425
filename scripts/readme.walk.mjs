// Follows a section of README.md or another text as a reader would, and holds what it prints against what the text says it
// prints. A diff is applied.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const END = '--- end of the example ---';
const LIMIT_MS = 60_000;
const HOST = 'localhost:8001';
const DATE = /\d{4}-\d\d-\d\d/g;

/** The fenced examples of a section, each with the output that the text shows below it, if any. */
export function examplesOf(readme, heading) {
  const from = readme.indexOf(`\n## ${heading}\n`);
  if (from < 0) throw new Error(`there is no section "${heading}"`);
  const to = readme.indexOf('\n## ', from + 1);
  const fences = [...readme.slice(from, to < 0 ? undefined : to).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const examples = [];
  for (const [, language, text] of fences) {
    if (language === 'sh') examples.push({ script: text, output: undefined });
    if (language === 'diff')
      examples.push({ script: `git apply <<'END_OF_DIFF'\n${text}END_OF_DIFF`, output: undefined });
    if (language === 'text' && examples.length > 0) examples.at(-1).output = text;
  }
  if (examples.length === 0) throw new Error(`the section "${heading}" has no example`);
  return examples;
}

/** @returns what of the printed text is not as the example says; undefined when all of it is */
export function differenceOf({ script, output }, printed) {
  const refusals = (text, pattern) => [...text.matchAll(pattern)].map(([, status]) => status).join(', ');
  const announced = refusals(script, /# (4\d\d)\b/g);
  const met = refusals(printed, /"status":(\d{3})\b/g);
  if (announced !== met) return `refusals announced: ${announced || 'none'}; met: ${met || 'none'}`;
  for (const [, reply] of script.matchAll(/# reply: "(.*)"$/gm)) {
    if (!printed.includes(`"reply":"${reply}"`)) return `there is no reply "${reply}"`;
  }
  for (const [, shown] of script.matchAll(/^# (\{.*)$/gm)) {
    const parts = shown.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    if (!new RegExp(`^${parts.join('.*')}$`, 'm').test(printed)) return `there is no answer like ${shown}`;
  }
  const undated = (text) => text.replace(DATE, 'DATE');
  if (output !== undefined && !undated(printed).includes(undated(output))) return `there is no\n${output}`;
  return undefined;
}

/**
 * @param file with the section
 * @param base where the service is, as the text has it at http://localhost:8001
 * @param limitMs for each example
 * @param replacements for what a reader puts in by hand: the text in quotes, and what gives its value when it is needed
 */
export async function followReadme(
  root,
  heading,
  { base, env, replacements = {}, file = 'README.md', limitMs = LIMIT_MS },
) {
  const shell = spawn('bash', ['-s'], { cwd: root, env: { ...process.env, ...env }, stdio: 'pipe' });
  let printed = '';
  let arrived = () => undefined;
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      printed += chunk;
      arrived();
    });
  }
  const ended = new Promise((done, fail) => {
    shell.once('error', fail);
    shell.once('close', () => done());
  });
  const open = new Set(Object.keys(replacements));
  try {
    shell.stdin.write('set -euo pipefail\n');
    for (const example of examplesOf(readFileSync(join(root, file), 'utf8'), heading)) {
      let script = example.script.replaceAll(HOST, new URL(base).host);
      for (const placeholder of open) {
        if (!script.includes(`'${placeholder}'`)) continue;
        script = script.replace(`'${placeholder}'`, `'${await replacements[placeholder]()}'`);
        open.delete(placeholder);
      }
      printed = '';
      const finished = new Promise((done) => (arrived = () => printed.includes(END) && done()));
      // A group keeps variables and functions, and its commands do not read the rest of the script.
      shell.stdin.write(`{\n${script}\n} </dev/null\necho '${END}'\n`);
      let timer;
      const late = new Promise((done) => (timer = setTimeout(done, limitMs)));
      await Promise.race([finished, ended, late]);
      clearTimeout(timer);
      const failed = printed.includes(END) ? differenceOf(example, printed) : 'it did not come to its end';
      if (failed)
        throw new Error(
          `${file}, "${heading}": ${failed}\n--- the example ---\n${script}\n--- printed ---\n${printed}`,
        );
    }
    if (open.size > 0) throw new Error(`${file}, "${heading}", no longer has '${[...open].join("', '")}'`);
  } finally {
    shell.stdin.end();
    shell.kill();
  }
}
