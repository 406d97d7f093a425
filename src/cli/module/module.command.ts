import { card } from '../table.js';
import type { Terminal } from '../terminal.js';
import { fieldsOf } from './module.fields.js';
import { namesOf } from './module.names.js';
import { Checkout, type PlannedFile } from './module.writer.js';

export interface ModuleOptions {
  fields?: string;
  singular?: string;
  dir?: string;
  dryRun?: boolean;
}

/** Writes the start of a module into a checkout. */
export class ModuleCommand {
  constructor(private readonly terminal: Terminal) {}

  async run(
    name: string,
    { fields = 'name:string', singular, dir = '.', dryRun = false }: ModuleOptions,
  ): Promise<void> {
    const names = namesOf(name, singular);
    const checkout = new Checkout(dir);
    const files = await checkout.plan({ names, fields: fieldsOf(fields) });
    if (!dryRun) checkout.write(files);
    const view = files.map(({ path, before, after }) => ({
      path,
      change: before === undefined ? 'new' : 'changed',
      ...(dryRun && { text: after }),
    }));
    const said = () => (dryRun ? files.flatMap(differenceIn) : card(view.map(({ change, path }) => [change, path])));
    await this.terminal.show(said, { dry_run: dryRun, files: view });
    if (!dryRun) this.terminal.note(`Next: npm run generate, then npm run t -- ${names.plural}`);
  }
}

/** The lines that come and go, as in a diff without what surrounds them. */
function differenceIn({ path, before, after }: PlannedFile): string[] {
  const [old, now] = [before?.trimEnd().split('\n') ?? [], after.trimEnd().split('\n')];
  const lines = [`${before === undefined ? 'new' : 'changed'} ${path}`];
  let at = 0;
  for (const line of old) {
    const next = now.indexOf(line, at);
    if (next < 0) {
      lines.push(`- ${line}`);
    } else {
      lines.push(...now.slice(at, next).map((added) => `+ ${added}`));
      at = next + 1;
    }
  }
  return [...lines, ...now.slice(at).map((added) => `+ ${added}`), ''];
}
