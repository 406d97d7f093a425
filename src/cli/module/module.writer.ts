import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { invalid, type ModuleNames } from './module.names.js';
import { moduleFiles } from './module.files.js';
import type { ModuleShape } from './module.shape.js';
import { takenBy, WIRING } from './module.wiring.js';

export interface PlannedFile {
  /** Within the checkout, with slashes. */
  path: string;
  /** Undefined for a new file. */
  before: string | undefined;
  after: string;
}

/** A checkout of the project that a module is written into. */
export class Checkout {
  /** @throws CommandFailure where there is none */
  constructor(private readonly root: string) {
    const missing = Object.keys(WIRING).find((file) => !existsSync(this.at(file)));
    if (missing === undefined) return;
    const message = `${path.resolve(root)} is no checkout of Tenantry: it has no ${missing}.`;
    throw new CommandFailure(
      EXIT.invalid,
      'checkout_unknown',
      message,
      'Run it in a checkout, or name one with --dir.',
    );
  }

  /** All that a module takes, formatted. Reads, and writes nothing. @throws CommandFailure */
  async plan(shape: Omit<ModuleShape, 'timestamp'>): Promise<PlannedFile[]> {
    this.refuseTaken(shape.names);
    const full = { ...shape, timestamp: this.nextTimestamp() };
    const files: PlannedFile[] = [];
    for (const [file, text] of moduleFiles(full)) {
      if (existsSync(this.at(file))) throw taken(shape.names, `${file} is there`);
      refuseImported(shape.names, text);
      files.push({ path: file, before: undefined, after: await formatted(this.at(file), text) });
    }
    for (const [file, edit] of Object.entries(WIRING)) {
      const before = readFileSync(this.at(file), 'utf8');
      try {
        files.push({ path: file, before, after: await formatted(this.at(file), edit(before, full)) });
      } catch (error) {
        if (error instanceof CommandFailure) error.message = `${file}: ${error.message}`;
        throw error;
      }
    }
    return files;
  }

  /**
   * Writes all of it or nothing. Nothing else runs meanwhile, so Ctrl-C comes before it or after it. What is there already
   * is replaced last, and by renaming alone: neither a full disk nor a crash leaves half of it.
   *
   * @throws CommandFailure
   */
  write(files: readonly PlannedFile[]): void {
    const undo: (() => void)[] = [];
    try {
      for (const { path: file, before, after } of files) {
        const target = before === undefined ? this.at(file) : this.beside(file);
        for (const folder of this.missingFolders(path.dirname(target))) {
          mkdirSync(folder);
          undo.unshift(() => rmdirSync(folder));
        }
        writeFileSync(target, '', { flag: 'wx' });
        undo.unshift(() => rmSync(target, { force: true }));
        writeFileSync(target, after);
      }
      for (const { path: file, before } of files) {
        if (before === undefined) continue;
        renameSync(this.beside(file), this.at(file));
        undo.unshift(() => writeFileSync(this.at(file), before));
      }
    } catch (error) {
      const whole = undo.filter((step) => !succeeds(step)).length === 0;
      const why = error instanceof Error ? error.message : String(error);
      const remedy = whole ? 'Nothing was written. Mend it and run it again.' : 'See git status for what is left.';
      throw new CommandFailure(EXIT.invalid, 'module_unwritable', why, remedy);
    }
  }

  private refuseTaken(names: ModuleNames): void {
    if (existsSync(this.at(`src/${names.plural}`))) throw taken(names, `src/${names.plural} is there`);
    const read = (file: string): [string, string] => [file, readFileSync(this.at(file), 'utf8')];
    const sources = ['src', 'migrations'].flatMap((folder) => this.sourcesIn(folder));
    const what = takenBy(names, new Map([...sources, '.dependency-cruiser.cjs'].map(read)));
    if (what !== undefined) throw taken(names, what);
  }

  private sourcesIn(folder: string): string[] {
    return readdirSync(this.at(folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.startsWith(`cli${path.sep}`))
      .map((file) => path.posix.join(folder, file.split(path.sep).join('/')));
  }

  /** The one after the last: what is added to its table later must come later, too. */
  private nextTimestamp(): string {
    const names = ['platform', 'tenant'].flatMap((folder) => readdirSync(this.at(`migrations/${folder}`)));
    const known = names.flatMap((name) => /^(\d{13})-/.exec(name)?.[1] ?? []).map(Number);
    return String(Math.max(...known) + 1);
  }

  /** Outermost first. */
  private missingFolders(folder: string): string[] {
    const missing: string[] = [];
    for (let at = folder; !existsSync(at); at = path.dirname(at)) missing.unshift(at);
    return missing;
  }

  private beside(file: string): string {
    return `${this.at(file)}.generated`;
  }

  private at(file: string): string {
    return path.join(this.root, file);
  }
}

function succeeds(step: () => void): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

function taken({ plural }: ModuleNames, what: string): CommandFailure {
  return new CommandFailure(
    EXIT.refused,
    'module_exists',
    `There cannot be a module ${plural}: ${what}.`,
    'Nothing was written. Choose another name.',
  );
}

/** Its entity would hide what the templates import under the same name. */
function refuseImported({ Singular }: ModuleNames, text: string): void {
  const imported = new RegExp(`^import [^;]*\\b${Singular}\\b[^;]* from '(?!\\./)`, 'm');
  if (imported.test(text)) throw invalid(`Modules import a ${Singular} already; choose another name.`);
}

/** Prettier is there in a checkout; without it the text is as the templates have it. */
async function formatted(file: string, text: string): Promise<string> {
  const prettier = await import('prettier').catch(() => undefined);
  if (!prettier) return text;
  return prettier.format(text, { ...(await prettier.resolveConfig(file)), filepath: file });
}
