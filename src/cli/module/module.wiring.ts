import { CommandFailure, EXIT } from '../exit-codes.js';
import type { ModuleNames } from './module.names.js';
import { migrationClass, migrationPath, type ModuleShape } from './module.shape.js';

/** What must be told of a new module, and how. @throws CommandFailure when a file is not as it was */
type Edit = (text: string, shape: ModuleShape) => string;

/** By path; a test generates a module into what these files are now. */
export const WIRING: Readonly<Record<string, Edit>> = {
  '.dependency-cruiser.cjs': (text, { names }) =>
    insert(text, /\n {2}\[\s*'root',[^\]]*\],\n/, `  ['${names.plural}', '${names.plural}/'],\n`),

  // Its rows are counted anew when it is formatted.
  'CONTRIBUTING.md': (text, { names }) => insert(text, /\n## Layers\n[\s\S]*?\n1\. .*\n/, `2. \`${names.plural}/\`\n`),

  'docs/architecture.md': (text, { names }) =>
    insert(text, /\n## Slices\n[\s\S]*?\n\| `cli\/` .*\n/, `| \`${names.plural}/\` | ${names.words} of tenants |\n`),

  'src/app.module.ts': (text, { names }) => {
    const { Singular, Plural, plural } = names;
    const imported = addImport(text, `import { ${Singular}, ${Plural}Module } from './${plural}/index.js';\n`);
    const known = insert(imported, /\nexport const TENANT_ENTITIES = \[\n[^\]]*(?=\];)/, `  ${Singular},\n`);
    return insert(
      known,
      /\nexport function workModules\([\s\S]*?\n {2}return \[\n[\s\S]*?\n(?= {2}\];)/,
      `    ${Plural}Module,\n`,
    );
  },

  'src/http/openapi.ts': (text, { names }) => {
    const words = names.words.charAt(0).toUpperCase() + names.words.slice(1);
    return insert(
      text,
      /\nconst TAGS: .* = \[\n[\s\S]*?(?= {2}\['health', )/,
      `  ['${names.plural}', '${words} of the tenant'],\n`,
    );
  },

  'migrations/index.ts': (text, shape) => {
    const name = migrationClass(shape);
    const path = migrationPath(shape)
      .replace(/^migrations\//, './')
      .replace(/ts$/, 'js');
    const imported = insert(text, /\n(?:import .*\n)+/, `import { ${name} } from '${path}';\n`);
    const raised = replace(imported, /(?<=\nexport const OLDEST_SUPPORTED = )\w+(?=\.name;\n)/, name);
    return insert(
      raised,
      /\n {4}schema: 'shared',\n[\s\S]*?\n {4}migrations: \[\n[^\]]*(?= {4}\],)/,
      `      ${name},\n`,
    );
  },

  // Swagger UI signs nobody in.
  'test/e2e/browser.spec.ts': (text, { names }) => {
    const reasons = ['add', 'list', 'find', 'change', 'remove'].map(
      (operation) => `  '${names.Plural}.${operation}': 'needs a signed-in user',\n`,
    );
    return insert(text, /\nconst NOT_EXECUTED: .* = \{\n[^}]*(?=\};)/, reasons.join(''));
  },
};

/** What of a module is there already, by what the sources say. @returns undefined when it is new */
export function takenBy(names: ModuleNames, files: ReadonlyMap<string, string>): string | undefined {
  const { Singular, Plural, singular, plural, table } = names;
  const types = [
    ...[Singular, `Create${Singular}Request`, `Change${Singular}Request`, `${Singular}ListQuery`, `${Singular}View`],
    ...[`${Singular}Page`, `${Singular}Copies`, `${Singular}NotFound`],
    ...[`${Plural}Service`, `${Plural}Controller`, `${Plural}Module`],
  ];
  const signs: [sign: RegExp, what: string][] = [
    [new RegExp(`\\bexport (?:abstract )?class (${types.join('|')})\\b`), 'a class of this name'],
    [new RegExp(`@Entity\\('${table}'`), `the table ${table}`],
    [new RegExp(`\\bCREATE TABLE (?:\\w+\\.)?${table} \\(`), `the table ${table}`],
    [new RegExp(`\\bname: '${singular}:(?:read|write)'`), `permissions of ${singular}`],
    [new RegExp(`@Controller\\('api/${plural}'`), `the path /api/${plural}`],
    [new RegExp(`^ {2}\\['${plural}', '`, 'm'), `the tag or layer ${plural}`],
  ];
  for (const [file, text] of files) {
    for (const [sign, what] of signs) {
      const found = sign.exec(text);
      if (found) return `${file} has ${found[1] ? `the class ${found[1]}` : what}`;
    }
  }
  return undefined;
}

/** Where imports stand in the order of their paths, before the first one that comes after. */
function addImport(text: string, line: string): string {
  const path = pathOf(line);
  const later = [...text.matchAll(/^import [^;]*? from '\.[^;]*;\n/gm)].find(([each]) => pathOf(each) > path);
  if (!later) return insert(text, /\n(?:import [^;]*;\n)+/, line);
  return text.slice(0, later.index) + line + text.slice(later.index);
}

function pathOf(line: string): string {
  return /from '([^']*)'/.exec(line)?.[1] ?? '';
}

/** Puts `addition` behind what `anchor` finds. */
function insert(text: string, anchor: RegExp, addition: string): string {
  const found = anchor.exec(text);
  if (!found) throw unlike(anchor);
  const end = found.index + found[0].length;
  return text.slice(0, end) + addition + text.slice(end);
}

function replace(text: string, part: RegExp, by: string): string {
  if (!part.test(text)) throw unlike(part);
  return text.replace(part, by);
}

function unlike(anchor: RegExp): CommandFailure {
  return new CommandFailure(
    EXIT.refused,
    'checkout_unlike',
    `It is not as the generator knows it: it has nothing like ${anchor.source}`,
    'Nothing was written. Bring the file back into its form, or write the module by hand: see CONTRIBUTING.md.',
  );
}
