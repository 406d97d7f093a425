import type { Command } from 'commander';
import { FIELD_TYPES } from './module/module.fields.js';
import type { ModuleCommand, ModuleOptions } from './module/module.command.js';

export type GenerationAct = (work: (command: ModuleCommand) => Promise<void>) => Promise<void>;

/** Commands that write source text. They need no database. */
export function generating(generate: Command, act: GenerationAct): void {
  generate
    .command('module')
    .description('write entity, requests, routes, service, migration and test of a tenant-owned thing, or nothing')
    .argument('<name>', 'in the plural, words joined by hyphens: pets, pet-owners')
    .option(
      '--fields <fields>',
      `such as name:string,born_on:date?, where ? makes one optional; types are ${Object.keys(FIELD_TYPES).join(', ')}; name:string unless given`,
    )
    .option('--singular <name>', 'one of them, where it does not follow from the plural: person for people')
    .option('--dir <folder>', 'the checkout to write into; the present one unless given')
    .option('--dry-run', 'write nothing, and print what would be written')
    .action((name: string, options: ModuleOptions) => act((command) => command.run(name, options)));
}
