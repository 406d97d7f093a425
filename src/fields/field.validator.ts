import { LRUCache } from 'lru-cache';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { type FieldError, isMailAddress } from '../common/index.js';

import { type Field, type FieldFormat, type FieldSchema, isStorable, MAX_CHOICES, MAX_TEXT } from './field.schema.js';

export type FieldValue = string | number | boolean | string[];
/** Of a row, by name of the field, as they are declared or once were. */
export type FieldValues = Record<string, FieldValue>;
/** What somebody sends as such. */
export type GivenFields = Record<string, unknown>;

/** Tenants with the same fields share what is compiled of them. */
const MAX_COMPILED = 200;
const compiled = new LRUCache<string, Promise<ValidateFunction>>({ max: MAX_COMPILED });

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const FORMATS: Record<FieldFormat, { holds: (text: string) => boolean; wanted: string }> = {
  date: { holds: isDate, wanted: 'a date such as "2031-02-28"' },
  email: { holds: isMailAddress, wanted: 'an e-mail address' },
  uri: { holds: isWebAddress, wanted: 'a URL that begins with https:// or http://' },
};

/**
 * What is wrong with values, each field by itself; nothing when all are as declared.
 *
 * @param whole whether fields that are required must be there
 */
export async function faultsOf(schema: FieldSchema, values: GivenFields, whole: boolean): Promise<FieldError[]> {
  const names = Object.keys(values);
  const unknown = names.filter((name) => !Object.hasOwn(schema.properties, name));
  // One is enough to say it; a body can have thousands.
  if (unknown[0] !== undefined) return [fault(unknown[0], 'additionalProperties', 'is not a field that is declared')];
  const missing = whole ? (schema.required ?? []).filter((name) => !Object.hasOwn(values, name)) : [];
  const faults = missing.map((name) => fault(name, 'required', 'must be given'));
  if (names.length === 0) return faults;
  // The validator would look at each of a hundred thousand, and at each with each other.
  for (const name of names) {
    const value = values[name];
    if (Array.isArray(value) && value.length > MAX_CHOICES) {
      return [...faults, fault(name, 'maxItems', `must name at most ${MAX_CHOICES}`)];
    }
  }
  const validate = await validatorOf(schema.properties);
  return validate(values) ? faults : [...faults, ...(validate.errors ?? []).slice(0, MAX_FAULTS).map(told)];
}

export function fault(name: string, rule: string, detail: string): FieldError {
  const shown = name.slice(0, 60).replaceAll('~', '~0').replaceAll('/', '~1');
  return { pointer: `/custom_fields/${shown}`, rule, detail };
}

/** @returns whether the text is a day of the calendar, as RFC 3339 writes it */
export function isDate(text: string): boolean {
  return DATE.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;
}

/** Only what leads to a page: lists show such a value as a link. */
function isWebAddress(text: string): boolean {
  return text.length <= MAX_TEXT && /^https?:\/\/[^\s\p{Cc}]+$/iu.test(text) && URL.canParse(text);
}

/** Faults of values that are told: a list can have one in each place, and each names all choices. */
const MAX_FAULTS = 20;

function validatorOf(properties: Record<string, Field>): Promise<ValidateFunction> {
  const key = JSON.stringify(properties);
  let validator = compiled.get(key);
  if (!validator) {
    validator = compile(properties);
    compiled.set(key, validator);
    validator.catch(() => compiled.delete(key));
  }
  return validator;
}

async function compile(properties: Record<string, Field>): Promise<ValidateFunction> {
  const { Ajv } = await import('ajv');
  // One for each: what one compiles it keeps for as long as it lives. Inherited members are no values of a field.
  const ajv = new Ajv({ strict: true, allErrors: true, ownProperties: true });
  for (const [name, { holds }] of Object.entries(FORMATS)) ajv.addFormat(name, holds);
  ajv.addFormat('storable', isStorable);
  return ajv.compile({ type: 'object', properties: mapValues(properties, bounded) });
}

/** The bounds that hold where the tenant sets none. What JSON makes of larger integers is another number. */
function bounded({ title: _, description: __, ...field }: Field): Record<string, unknown> {
  if (field.type === 'string') return { maxLength: MAX_TEXT, ...field, allOf: [{ format: 'storable' }] };
  if (field.type === 'integer') return { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, ...field };
  if (field.type === 'array') {
    const { items, maxItems = items?.enum.length } = field;
    return { ...field, maxItems, ...(items && { items: { ...items, type: 'string' } }) };
  }
  return { ...field };
}

function mapValues<A, B>(record: Record<string, A>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

const TYPES: Record<string, string> = {
  string: 'a text',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
};

/** An error of the validator, in words. */
function told({ instancePath, keyword, params }: ErrorObject): FieldError {
  return { pointer: `/custom_fields${instancePath}`, rule: keyword, detail: wanted(keyword, params) };
}

function wanted(keyword: string, params: Record<string, unknown>): string {
  const limit = String(params['limit']);
  switch (keyword) {
    case 'type':
      return `must be ${TYPES[String(params['type'])]}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as string[]).map((it) => JSON.stringify(it)).join(', ')}`;
    case 'format':
      return params['format'] === 'storable'
        ? 'must be a text without NUL or halves of characters'
        : `must be ${FORMATS[params['format'] as FieldFormat].wanted}`;
    case 'minLength':
      return `must have at least ${limit} characters`;
    case 'maxLength':
      return `must have at most ${limit} characters`;
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'minItems':
      return `must name at least ${limit}`;
    case 'maxItems':
      return `must name at most ${limit}`;
    default:
      return 'must name nothing twice';
  }
}
