import fc, { type Arbitrary } from 'fast-check';
import { type ApiDocument, resolved, type Schema } from './operations.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Deeper than this, only what must be there. */
const MOST_LEVELS = 6;

/** Where values come from. */
export interface Source {
  /** Where references lead. */
  document: ApiDocument;
  /** By name of a field or parameter: values that stand for something that is there. */
  known: Partial<Record<string, string[]>>;
}

/**
 * Values that a schema accepts. The examples of the document come often, and so do things that are there: they are what
 * the service does most with.
 *
 * @param name of the field or parameter
 */
export function valuesOf(source: Source, given: Schema, name = '', level = 0): Arbitrary<Json> {
  const known = source.known[name];
  const values = ofSchema(source, given, level);
  return known?.length
    ? fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: values })
    : values;
}

function ofSchema(source: Source, given: Schema, level: number): Arbitrary<Json> {
  const { document } = source;
  const schema = resolved(document, given);
  const drawn = drawnFrom(source, schema, level);
  const example = given.example ?? schema.example;
  if (example === undefined) return drawn;
  return fc.oneof({ weight: 3, arbitrary: fc.constant(example as Json) }, { weight: 2, arbitrary: drawn });
}

function drawnFrom(source: Source, schema: Schema, level: number): Arbitrary<Json> {
  if (schema.const !== undefined) return fc.constant(schema.const as Json);
  if (schema.enum) return fc.constantFrom(...(schema.enum as Json[]));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return fc.oneof(...choices.map((choice) => valuesOf(source, choice, '', level)));
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => valuesOf(source, part, '', level));
    return fc.tuple(...parts).map((values) => values.reduce((all, value) => mergedWith(all, value)));
  }
  const types = [schema.type ?? (schema.properties ? 'object' : [])].flat();
  if (types.length === 0) return fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  return fc.oneof(...types.map((type) => ofType(source, schema, type, level)));
}

function mergedWith(one: Json, other: Json): Json {
  const both = [one, other].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
  return both ? { ...(one as object), ...(other as object) } : other;
}

function ofType(source: Source, schema: Schema, type: string, level: number): Arbitrary<Json> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1_000_000, max: schema.maximum ?? 1_000_000 });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
    case 'array':
      return fc.array(valuesOf(source, schema.items ?? {}, '', level + 1), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case 'object':
      return objectOf(source, schema, level);
    default:
      return textOf(schema);
  }
}

function objectOf(source: Source, schema: Schema, level: number): Arbitrary<Json> {
  const required = new Set(schema.required ?? []);
  const all = Object.entries(schema.properties ?? {}).filter(([name]) => level < MOST_LEVELS || required.has(name));
  const fields = Object.fromEntries(all.map(([name, field]) => [name, valuesOf(source, field, name, level + 1)]));
  const least = Object.fromEntries(Object.entries(fields).filter(([name]) => required.has(name)));
  // What may be left out often means something that has to be there: most of what is served has little of it.
  return fc.oneof(fc.record(least), fc.record(fields, { requiredKeys: Object.keys(least) }));
}

const pad = (value: number): string => String(value).padStart(2, '0');

function textOf({ format, pattern, minLength = 0, maxLength = 200 }: Schema): Arbitrary<Json> {
  if (pattern) return fc.stringMatching(new RegExp(pattern));
  switch (format) {
    case 'uuid':
      return fc.uuid();
    case 'date-time':
      return fc
        .tuple(fc.integer({ min: 1970, max: 2099 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }))
        .map(([year, month, day]) => `${year}-${pad(month)}-${pad(day)}T12:30:00Z`);
    case 'email':
      return fc.nat().map((n) => `person-${n}@abuse.example`);
    case 'uri':
      return fc.webUrl();
    case 'password':
      return fc.constantFrom('demo-password', 'seven blue ladders', 'a quiet heron at noon');
  }
  return fc.string({ minLength, maxLength: Math.min(maxLength, Math.max(minLength, 200)), unit: 'grapheme' });
}
