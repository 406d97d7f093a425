import type { Field } from './module.fields.js';
import type { ModuleNames } from './module.names.js';

/** What a module is made of. */
export interface ModuleShape {
  names: ModuleNames;
  fields: Field[];
  /** Of the migration: 13 digits. */
  timestamp: string;
}

export function migrationClass({ names, timestamp }: ModuleShape): string {
  return `Create${names.Plural}${timestamp}`;
}

export function migrationPath({ names, timestamp }: ModuleShape): string {
  return `migrations/tenant/${timestamp}-create-${names.plural}.ts`;
}

/** A line, or several, for each field. */
export const each = (fields: Field[], line: (field: Field) => string) => fields.map(line).join('\n');
