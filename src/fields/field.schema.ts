/** What one field may hold, in the words of JSON Schema (draft 2020-12). */
export interface Field {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  title?: string;
  description?: string;
  /** Of texts. */
  enum?: string[];
  minLength?: number;
  maxLength?: number;
  format?: FieldFormat;
  /** Of numbers. */
  minimum?: number;
  maximum?: number;
  /** Of lists. */
  items?: { type?: 'string'; enum: string[] };
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
}

/** The fields that a tenant declares for one kind of its rows. */
export interface FieldSchema {
  type?: 'object';
  properties: Record<string, Field>;
  required?: string[];
  additionalProperties?: false;
}

const FIELD_FORMATS = ['date', 'email', 'uri'] as const;
export type FieldFormat = (typeof FIELD_FORMATS)[number];

/** Fields of one kind of rows. */
export const MAX_FIELDS = 30;
/** Of a schema, in bytes of JSON. */
const MAX_SCHEMA_BYTES = 16 * 1024;
/** Of a text, in characters. */
export const MAX_TEXT = 1000;
/** Choices of a field. */
export const MAX_CHOICES = 100;
/** Of a choice or a title, in characters. */
const MAX_WORD = 100;
const MAX_DESCRIPTION = 500;
/** Letters, digits and underscores, so that a name reads the same in JSON, in URLs and in files. */
const NAME = /^[a-z][a-z0-9_]{0,39}$/;

/** Says what is wrong with a value, or nothing. */
type Rule = (value: unknown) => string | undefined;

const text =
  (max: number): Rule =>
  (value) =>
    typeof value === 'string' && value.length <= max && isStorable(value)
      ? undefined
      : `must be a text of at most ${max} characters`;
const whole =
  (from: number, to: number): Rule =>
  (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to
      ? undefined
      : `must be an integer from ${from} to ${to}`;
const figure: Rule = (value) => (Number.isFinite(value) ? undefined : 'must be a number');
const oneOf =
  (allowed: readonly unknown[]): Rule =>
  (value) =>
    allowed.includes(value) ? undefined : `must be ${allowed.map((it) => JSON.stringify(it)).join(' or ')}`;
const choices: Rule = (value) =>
  Array.isArray(value) &&
  value.length >= 1 &&
  value.length <= MAX_CHOICES &&
  new Set(value).size === value.length &&
  value.every((it) => text(MAX_WORD)(it) === undefined)
    ? undefined
    : `must be 1 to ${MAX_CHOICES} different texts of at most ${MAX_WORD} characters`;
const items: Rule = (value) => {
  if (!isRecord(value)) return 'must be an object with "enum"';
  const { type, enum: allowed, ...more } = value;
  const other = Object.keys(more)[0];
  if (other !== undefined) return `takes no ${JSON.stringify(other)}`;
  if (type !== undefined && type !== 'string') return 'may only be texts';
  const fault = choices(allowed);
  return fault && `/enum ${fault}`;
};

const WORDS: Record<string, Rule> = { title: text(MAX_WORD), description: text(MAX_DESCRIPTION) };
const NUMBER: Record<string, Rule> = { minimum: figure, maximum: figure };
/** By type: what a field of it may say besides its type. No `pattern`: an expression can take for ever. */
const KEYWORDS: Record<Field['type'], Record<string, Rule>> = {
  string: {
    enum: choices,
    minLength: whole(0, MAX_TEXT),
    maxLength: whole(1, MAX_TEXT),
    format: oneOf(FIELD_FORMATS),
  },
  integer: NUMBER,
  number: NUMBER,
  boolean: {},
  array: {
    items,
    minItems: whole(0, MAX_CHOICES),
    maxItems: whole(1, MAX_CHOICES),
    uniqueItems: oneOf([true, false]),
  },
};
const LEVELS: Record<string, Rule> = { type: oneOf(['object']), additionalProperties: oneOf([false]) };

/**
 * What keeps a value from being the fields of a tenant: where it is, as a JSON pointer, and what must be there instead.
 * Everything that is allowed is bounded, so that what is compiled from it is.
 *
 * @returns undefined when nothing does
 */
export function faultOfSchema(value: unknown): string | undefined {
  if (!isRecord(value)) return 'must be an object';
  const { properties, required, ...rest } = value;
  const fault = faultOfKeywords('', rest, LEVELS);
  if (fault !== undefined) return fault;
  if (!isRecord(properties)) return '/properties must be an object of fields by name';
  const names = Object.keys(properties);
  if (names.length > MAX_FIELDS) return `/properties must be at most ${MAX_FIELDS} fields`;
  for (const name of names) {
    const wrong = faultOfField(name, properties[name]);
    if (wrong !== undefined) return wrong;
  }
  if (required !== undefined && !isRequired(required, properties)) {
    return '/required must be a list of different names of fields';
  }
  // Last, of what is known to be shallow.
  const size = Buffer.byteLength(JSON.stringify(value));
  return size > MAX_SCHEMA_BYTES ? `must be at most ${MAX_SCHEMA_BYTES / 1024} KiB of JSON` : undefined;
}

function faultOfField(name: string, field: unknown): string | undefined {
  const at = `/properties/${name.slice(0, 60).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  // What every object has is no field of this one.
  if (!NAME.test(name) || name in Object.prototype) {
    return `${at} must be named with at most 40 of a-z, 0-9 and _, a letter first`;
  }
  if (!isRecord(field)) return `${at} must be an object`;
  const { type, ...rest } = field;
  const types = Object.keys(KEYWORDS);
  if (typeof type !== 'string' || !types.includes(type)) return `${at}/type ${oneOf(types)(type)}`;
  const fault = faultOfKeywords(at, rest, { ...WORDS, ...KEYWORDS[type as Field['type']] });
  if (fault !== undefined) return fault;
  if (type === 'array' && rest['items'] === undefined) return `${at}/items must be given`;
  for (const [low, high] of BOUNDS) {
    const [from, to] = [rest[low], rest[high]];
    if (typeof from === 'number' && typeof to === 'number' && from > to)
      return `${at}/${low} must not be above ${high}`;
  }
  return undefined;
}

const BOUNDS = [
  ['minimum', 'maximum'],
  ['minLength', 'maxLength'],
  ['minItems', 'maxItems'],
] as const;

function faultOfKeywords(at: string, given: Record<string, unknown>, rules: Record<string, Rule>): string | undefined {
  for (const [keyword, value] of Object.entries(given)) {
    const rule = Object.hasOwn(rules, keyword) ? rules[keyword] : undefined;
    if (!rule) return `${at}/${keyword.slice(0, 60)} is not a keyword that is taken here`;
    const fault = rule(value);
    if (fault !== undefined) return `${at}/${keyword}${fault.startsWith('/') ? '' : ' '}${fault}`;
  }
  return undefined;
}

function isRequired(required: unknown, properties: Record<string, unknown>): boolean {
  return (
    Array.isArray(required) &&
    required.length <= MAX_FIELDS &&
    new Set(required).size === required.length &&
    required.every((name) => typeof name === 'string' && Object.hasOwn(properties, name))
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As PostgreSQL takes it in jsonb. */
export function isStorable(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

/** For forms, and for those who write a schema: the schema of such a schema. */
export const SCHEMA_OF_SCHEMAS = {
  required: ['properties'],
  additionalProperties: false,
  properties: {
    type: { const: 'object' },
    additionalProperties: { const: false },
    properties: {
      type: 'object',
      maxProperties: MAX_FIELDS,
      propertyNames: { pattern: NAME.source },
      additionalProperties: {
        type: 'object',
        required: ['type'],
        additionalProperties: false,
        properties: {
          type: { enum: Object.keys(KEYWORDS) },
          title: { type: 'string', maxLength: MAX_WORD },
          description: { type: 'string', maxLength: MAX_DESCRIPTION },
          enum: choicesSchema(),
          minLength: { type: 'integer', minimum: 0, maximum: MAX_TEXT },
          maxLength: { type: 'integer', minimum: 1, maximum: MAX_TEXT },
          format: { enum: FIELD_FORMATS },
          minimum: { type: 'number' },
          maximum: { type: 'number' },
          items: {
            type: 'object',
            required: ['enum'],
            additionalProperties: false,
            properties: { type: { const: 'string' }, enum: choicesSchema() },
          },
          minItems: { type: 'integer', minimum: 0, maximum: MAX_CHOICES },
          maxItems: { type: 'integer', minimum: 1, maximum: MAX_CHOICES },
          uniqueItems: { type: 'boolean' },
        },
      },
    },
    required: { type: 'array', uniqueItems: true, maxItems: MAX_FIELDS, items: { type: 'string' } },
  },
} as const;

function choicesSchema() {
  return {
    type: 'array',
    minItems: 1,
    maxItems: MAX_CHOICES,
    uniqueItems: true,
    items: { type: 'string', maxLength: MAX_WORD },
  } as const;
}
