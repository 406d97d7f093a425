import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandFailure } from '../exit-codes.js';
import { Terminal } from '../terminal.js';
import { ModuleCommand, type ModuleOptions } from './module.command.js';
import { FIELD_TYPES, fieldsOf } from './module.fields.js';
import { namesOf } from './module.names.js';

let dir: string;
let before: Map<string, string>;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'tenantry-module-'));
  const documents = ['CONTRIBUTING.md', 'docs/architecture.md'];
  const wired = [...documents, '.dependency-cruiser.cjs', 'test/e2e/browser.spec.ts'];
  for (const part of ['src', 'migrations', '.prettierrc.json', ...wired])
    cpSync(part, path.join(dir, part), { recursive: true });
  before = checkout();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Every file, and what is in it. */
function checkout(): Map<string, string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(
    files.map((file) => {
      const full = path.join(dir, file);
      return [file, statSync(full).isDirectory() ? '' : readFileSync(full, 'utf8')];
    }),
  );
}

/** @returns what was printed, or the code and message of the failure */
async function generate(name: string, options: ModuleOptions = {}): Promise<string> {
  const terminal = new Terminal(false, new AbortController().signal);
  let printed = '';
  terminal.print = (text) => Promise.resolve(void (printed += text));
  terminal.note = () => undefined;
  try {
    await new ModuleCommand(terminal).run(name, { dir, ...options });
    return printed;
  } catch (error) {
    const { code, message } = error as CommandFailure;
    return `${code}: ${message}`;
  }
}

describe('a module is refused, and nothing written,', () => {
  it.each([
    ['Pets', {}, 'module_invalid', 'small letters'],
    ['../pets', {}, 'module_invalid', 'small letters'],
    ['pets2', {}, 'module_invalid', 'small letters'],
    ['a'.repeat(40) + 's', {}, 'module_invalid', 'at most 40'],
    ['sheep', {}, 'module_invalid', '--singular'],
    ['sheep', { singular: 'sheep' }, 'module_invalid', '--singular'],
    ['people', { singular: 'Person' }, 'module_invalid', 'singular'],
    ['classes', {}, 'module_invalid', 'reserved'],
    ['placings', { singular: 'new' }, 'module_invalid', 'reserved'],
    ['requests', {}, 'module_invalid', 'reserved'],
    ['errors', {}, 'module_invalid', 'built into JavaScript'],
    ['chat', { singular: 'talk' }, 'module_exists', 'src/chat is there'],
    ['users', {}, 'module_exists', 'the tag or layer users'],
    ['sessions', {}, 'module_exists', 'the class Session'],
    ['columns', {}, 'module_invalid', 'Column'],
    ['pages', {}, 'module_invalid', 'Page'],
    ['tasks', { singular: 'session' }, 'module_exists', 'the class Session'],
    ['pets', { fields: 'name' }, 'module_invalid', 'name:type'],
    ['pets', { fields: '' }, 'module_invalid', 'name:type'],
    ['pets', { fields: 'name:string,' }, 'module_invalid', 'name:type'],
    ['pets', { fields: 'name:varchar' }, 'module_invalid', 'one of string, text'],
    ['pets', { fields: 'name:toString' }, 'module_invalid', 'one of string, text'],
    ['pets', { fields: 'bornOn:date' }, 'module_invalid', 'born_on'],
    ['pets', { fields: 'id:uuid' }, 'module_invalid', 'without being given'],
    ['pets', { fields: 'tenant_id:uuid' }, 'module_invalid', 'without being given'],
    ['pets', { fields: 'order:integer' }, 'module_invalid', 'reserved'],
    ['pets', { fields: 'constructor:string' }, 'module_invalid', 'reserved'],
    ['pets', { fields: 'name:string,name:text' }, 'module_invalid', 'twice'],
    ['pets', { dir: os.tmpdir() }, 'checkout_unknown', 'no checkout of Tenantry'],
  ])('called %s with %j: %s', async (name, options, code, words) => {
    const said = await generate(name, options);
    expect(said).toContain(`${code}: `);
    expect(said).toContain(words);
    expect(checkout()).toEqual(before);
  });

  it('when a file is not as the generator knows it', async () => {
    const file = path.join(dir, 'src/app.module.ts');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('TENANT_ENTITIES = [', 'TENANT_ENTITIES: Type[] = ['));
    const changed = checkout();
    expect(await generate('pets')).toMatch(/^checkout_unlike: src\/app\.module\.ts: /);
    expect(checkout()).toEqual(changed);
    writeFileSync(file, text);
  });

  it('when one of its files cannot be written', async () => {
    const inTheWay = path.join(dir, 'migrations/index.ts.generated');
    mkdirSync(inTheWay);
    const blocked = checkout();
    expect(await generate('pets')).toMatch(/^module_unwritable: .*index\.ts\.generated/);
    expect(checkout()).toEqual(blocked);
    rmSync(inTheWay, { recursive: true });
  });
});

describe('a module', () => {
  it('is printed by --dry-run, which writes nothing', async () => {
    const said = await generate('pet-owners', { fields: 'name:string,born_on:date?', dryRun: true });
    expect(said).toContain('new src/pet-owners/pet-owner.entity.ts\n');
    expect(said).toContain('+ export class PetOwner extends TenantOwned {\n');
    expect(said).toContain("+   @Column('date', { name: 'born_on', nullable: true })\n+   bornOn: string | null;\n");
    expect(said).toMatch(/changed src\/app\.module\.ts\n\+ import .*\n\+ {3}PetOwner,\n\+ {5}PetOwnersModule,\n\n/);
    expect(said).toMatch(/\n- export const OLDEST_SUPPORTED = .*\n\+ export const OLDEST_SUPPORTED = CreatePetOwners/);
    expect(checkout()).toEqual(before);
  });

  it('is written beside another, each after the last migration, and not twice', async () => {
    expect(await generate('pets')).toContain('new      src/pets/pet.entity.ts\n');
    expect(
      await generate('orders', {
        fields: Object.keys(FIELD_TYPES)
          .map((type) => `a_${type}:${type}?`)
          .join(),
      }),
    ).toContain('changed  src/app.module.ts\n');
    const both = checkout();
    expect(await generate('pets')).toBe('module_exists: There cannot be a module pets: src/pets is there.');
    expect(checkout()).toEqual(both);
    const added = [...both.keys()].filter((file) => !before.has(file));
    const [first = '', second = ''] = added.filter((file) => file.startsWith('migrations'));
    const known = [...before.keys()].flatMap((file) => /(\d{13})-/.exec(file)?.[1] ?? []).map(Number);
    const last = Math.max(...known);
    expect([first, second]).toEqual([
      `migrations/tenant/${last + 1}-create-pets.ts`,
      `migrations/tenant/${last + 2}-create-orders.ts`,
    ]);
    expect(added.filter((file) => file.endsWith('.generated'))).toEqual([]);
    expect(both.get('CONTRIBUTING.md')).toMatch(/\n1\. `main`.*\n2\. `orders\/`\n3\. `pets\/`\n4\. `chat\/`\n/);
    expect(both.get('docs/architecture.md')).toMatch(
      /\n\| `cli\/` .*\n\| `orders\/` +\| orders of tenants +\|\n\| `pets\/` +\| pets of tenants +\|\n/,
    );
    expect(both.get('migrations/index.ts')).toContain(`CreatePets${last + 1},\n      CreateOrders${last + 2},\n    ],`);
  });

  it.each([
    ['pets', 'pet'],
    ['categories', 'category'],
    ['boxes', 'box'],
    ['branches', 'branch'],
    ['addresses', 'address'],
    ['houses', 'house'],
    ['pet-owners', 'pet-owner'],
  ])('of %s is of one %s each', (plural, singular) => {
    expect(namesOf(plural).singular).toBe(singular);
  });

  it('takes what a field may leave out by its question mark', () => {
    expect(fieldsOf('name:string, born_on:date?').map(({ property, optional }) => [property, optional])).toEqual([
      ['name', false],
      ['bornOn', true],
    ]);
  });
});
