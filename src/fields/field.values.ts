import { type FieldSchema } from './field.schema.js';
import { InvalidCustomField } from './field.errors.js';
import { fault, faultsOf, type FieldValues, type GivenFields } from './field.validator.js';

/** What a row may hold of them, in bytes of JSON. */
const MAX_VALUES_BYTES = 16 * 1024;

/**
 * The values of a row that is being made. Null is as good as left out.
 *
 * @throws InvalidCustomField naming each field at fault
 */
export async function newFieldValues(schema: FieldSchema, given: GivenFields = {}): Promise<FieldValues> {
  const values = without(given, (value) => value === null);
  return checked(values, await faultsOf(schema, values, true));
}

/**
 * The values of a row after a change. What is not named stays as it is, even where it is no longer as declared; null takes a
 * value away. Values of fields that are declared no more go with the change.
 *
 * @throws InvalidCustomField naming each field at fault
 */
export async function changedFieldValues(
  schema: FieldSchema,
  stored: FieldValues,
  changes: GivenFields,
): Promise<FieldValues> {
  const written = without(changes, (value) => value === null);
  const removed = Object.keys(changes).filter((name) => changes[name] === null);
  const kept = removed
    .filter((name) => schema.required?.includes(name))
    .map((name) => fault(name, 'required', 'must not be taken away'));
  const unknown = removed
    .filter((name) => !Object.hasOwn(schema.properties, name))
    .slice(0, 1)
    .map((name) => fault(name, 'additionalProperties', 'is not a field that is declared'));
  const faults = [...unknown, ...kept, ...(await faultsOf(schema, written, false))];
  const left = without(stored, (_, name) => removed.includes(name));
  return checked(declared(schema, { ...left, ...written }), faults);
}

/** Those of the fields that are declared. */
export function shownFieldValues(schema: FieldSchema, stored: FieldValues): FieldValues {
  return declared(schema, stored);
}

function declared<V>(schema: FieldSchema, values: Record<string, V>): Record<string, V> {
  return without(values, (_, name) => !Object.hasOwn(schema.properties, name));
}

function checked(values: GivenFields, faults: ReturnType<typeof fault>[]): FieldValues {
  const bytes = Buffer.byteLength(JSON.stringify(values));
  if (faults.length === 0 && bytes > MAX_VALUES_BYTES) {
    const detail = `must be at most ${MAX_VALUES_BYTES / 1024} KiB of JSON together`;
    faults = [{ pointer: '/custom_fields', rule: 'size', detail }];
  }
  if (faults.length > 0) throw new InvalidCustomField(faults);
  return values as FieldValues;
}

function without<V>(values: Record<string, V>, leaves: (value: V, name: string) => boolean): Record<string, V> {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => !leaves(value, name)));
}
