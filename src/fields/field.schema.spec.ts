import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidCustomField } from './field.errors.js';
import { type FieldSchema, faultOfSchema } from './field.schema.js';
import { changedFieldValues, newFieldValues } from './field.values.js';
import { USER_FIELDS } from './fields.settings.js';

const one = (field: unknown, name = 'plan') => ({ properties: { [name]: field } });

/** Rules broken, by field. */
async function broken(schema: FieldSchema, values: object): Promise<Record<string, string>> {
  const error: unknown = await newFieldValues(schema, values as Record<string, unknown>).catch((it: unknown) => it);
  if (!(error instanceof InvalidCustomField)) return {};
  return Object.fromEntries((error.errors ?? []).map(({ pointer, rule }) => [pointer.slice(15), rule ?? '']));
}

describe('a schema of fields', () => {
  it.each<[unknown, string]>([
    [[], 'must be an object'],
    [{}, '/properties must be an object of fields by name'],
    [{ properties: {}, $ref: '#' }, '/$ref is not a keyword that is taken here'],
    [{ type: 'array', properties: {} }, '/type must be "object"'],
    [{ properties: {}, additionalProperties: true }, '/additionalProperties must be false'],
    [one({ type: 'string' }, 'Plan'), '/properties/Plan must be named'],
    [one({ type: 'string' }, 'p'.repeat(41)), 'must be named'],
    [one({ type: 'string' }, 'constructor'), '/properties/constructor must be named'],
    [one({ type: 'string' }, '__proto__x'), 'must be named'],
    [one('string'), '/properties/plan must be an object'],
    [one({}), '/properties/plan/type must be "string" or'],
    [one({ type: ['string', 'null'] }), '/properties/plan/type must be'],
    [one({ type: 'constructor' }), '/properties/plan/type must be'],
    [one({ type: 'object', properties: {} }), '/properties/plan/type must be'],
    [one({ type: 'string', pattern: '(a+)+$' }), '/properties/plan/pattern is not a keyword'],
    [one({ type: 'string', $ref: '#' }), '/properties/plan/$ref is not a keyword'],
    [one({ type: 'string', maxLength: 1001 }), '/properties/plan/maxLength must be an integer from 1 to 1000'],
    [one({ type: 'string', minLength: 9, maxLength: 8 }), '/properties/plan/minLength must not be above maxLength'],
    [one({ type: 'string', format: 'regex' }), '/properties/plan/format must be "date" or "email" or "uri"'],
    [one({ type: 'string', enum: [] }), '/properties/plan/enum must be 1 to 100'],
    [one({ type: 'string', enum: ['a', 'a'] }), '/properties/plan/enum must be 1 to 100'],
    [one({ type: 'string', enum: ['a\0'] }), '/properties/plan/enum must be 1 to 100'],
    [one({ type: 'integer', enum: [1] }), '/properties/plan/enum is not a keyword'],
    [one({ type: 'number', minimum: '1' }), '/properties/plan/minimum must be a number'],
    [one({ type: 'array' }), '/properties/plan/items must be given'],
    [one({ type: 'array', items: { type: 'object' } }), '/properties/plan/items may only be texts'],
    [one({ type: 'array', items: { enum: ['a'], items: {} } }), '/properties/plan/items takes no "items"'],
    [{ ...one({ type: 'string' }), required: ['other'] }, '/required must be'],
    [
      { properties: Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`f${i}`, { type: 'boolean' }])) },
      'at most 30',
    ],
    [
      {
        properties: Object.fromEntries(
          Array.from({ length: 30 }, (_, i) => [`f${i}`, { type: 'boolean', description: 'é'.repeat(500) }]),
        ),
      },
      'must be at most 16 KiB',
    ],
  ])('is refused with the place and the reason (%#)', (schema, fault) => {
    expect(faultOfSchema(schema)).toContain(fault);
    expect(USER_FIELDS.accepts(schema)).toBe(false);
  });

  it('bears every value, and what it takes is taken by the schema that forms are drawn from and can be compiled', async () => {
    const form = new Ajv2020({ strict: false }).compile(USER_FIELDS.jsonSchema);
    const word = fc.constantFrom('type', 'enum', 'maxLength', 'format', 'items', 'minimum', 'plan', 'title', '$ref');
    const value = fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>('string', 'integer', 'number', 'boolean', 'array', 'date', 5, 1.5, true, null, [
        'a',
        'b',
      ]),
      fc.constant<unknown>({ enum: ['a'] }),
    );
    const field = fc.dictionary(word, value, { maxKeys: 4 });
    const schemas = fc.record({ properties: fc.dictionary(word, fc.oneof(field, value), { maxKeys: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.oneof(schemas, fc.anything()), async (schema) => {
        if (faultOfSchema(schema) !== undefined) return;
        expect(form(schema)).toBe(true);
        await newFieldValues(schema as FieldSchema, {});
        await changedFieldValues(
          schema as FieldSchema,
          {},
          { [Object.keys((schema as FieldSchema).properties)[0] ?? 'x']: 1 },
        ).catch((error: unknown) => expect(error).toBeInstanceOf(InvalidCustomField));
      }),
      { numRuns: 300 },
    );
  });
});

describe('values of fields', () => {
  const schema: FieldSchema = {
    properties: {
      plan: { type: 'string', enum: ['gold', 'silver'] },
      note: { type: 'string', minLength: 2 },
      since: { type: 'string', format: 'date' },
      contact: { type: 'string', format: 'email' },
      page: { type: 'string', format: 'uri' },
      seats: { type: 'integer', minimum: 1, maximum: 500 },
      any: { type: 'integer' },
      share: { type: 'number' },
      vip: { type: 'boolean' },
      tags: { type: 'array', items: { enum: ['a', 'b', 'c'] }, maxItems: 2, uniqueItems: true },
    },
    required: ['plan'],
  };

  it('are kept when they are as declared, and null is as good as left out', async () => {
    const values = {
      plan: 'gold',
      note: 'é'.repeat(1000),
      since: '2028-02-29',
      contact: 'jo@acme.example',
      page: 'https://acme.example/a?b=c',
      seats: 500,
      share: -0.5,
      vip: false,
      tags: ['a', 'c'],
    };
    expect(await newFieldValues(schema, { ...values, any: null })).toEqual(values);
  });

  it.each<[object, string, string]>([
    [{ plan: 'bronze' }, 'plan', 'enum'],
    [{ note: 'x' }, 'note', 'minLength'],
    [{ note: 'x'.repeat(1001) }, 'note', 'maxLength'],
    [{ note: 'a\0b' }, 'note', 'format'],
    [{ note: 'a\ud800' }, 'note', 'format'],
    [{ note: 7 }, 'note', 'type'],
    [{ since: '2027-02-29' }, 'since', 'format'],
    [{ since: '2027-02-28T00:00:00Z' }, 'since', 'format'],
    [{ contact: 'jo@acme.example, x@y.example' }, 'contact', 'format'],
    [{ page: 'javascript:alert(1)' }, 'page', 'format'],
    [{ seats: 1.5 }, 'seats', 'type'],
    [{ seats: '5' }, 'seats', 'type'],
    [{ seats: 501 }, 'seats', 'maximum'],
    [{ any: 2 ** 53 }, 'any', 'maximum'],
    [{ share: Infinity }, 'share', 'type'],
    [{ vip: 'true' }, 'vip', 'type'],
    [{ tags: ['a', 'a'] }, 'tags', 'uniqueItems'],
    [{ tags: ['a', 'b', 'c'] }, 'tags', 'maxItems'],
    [{ tags: ['d'] }, 'tags/0', 'enum'],
    [{ tags: 'a' }, 'tags', 'type'],
    [{ other: 1 }, 'other', 'additionalProperties'],
    [{ constructor: 1 }, 'constructor', 'additionalProperties'],
    [JSON.parse('{"__proto__": {"plan": "gold"}}') as object, '__proto__', 'additionalProperties'],
  ])('are refused with field and rule (%#)', async (values, field, rule) => {
    expect(await broken(schema, { plan: 'gold', ...values })).toEqual({ [field]: rule });
  });

  it('are all told of at once, with what is missing', async () => {
    expect(await broken(schema, { seats: 0, vip: 1 })).toEqual({ plan: 'required', seats: 'minimum', vip: 'type' });
  });

  it('are changed by themselves: others stay even where they no longer fit, null takes away what is not required', async () => {
    const stored = { plan: 'bronze', note: 'old', gone: 'x' };
    expect(await changedFieldValues(schema, stored, { note: null, seats: 3 })).toEqual({ plan: 'bronze', seats: 3 });
    await expect(changedFieldValues(schema, stored, { plan: null })).rejects.toThrow(InvalidCustomField);
    await expect(changedFieldValues(schema, stored, { gone: null })).rejects.toThrow(InvalidCustomField);
  });

  it('have at most 16 KiB together', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
    const long: FieldSchema = { properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) };
    const values = (count: number) => Object.fromEntries(names.slice(0, count).map((name) => [name, 'x'.repeat(1000)]));
    expect(Object.keys(await newFieldValues(long, values(16)))).toHaveLength(16);
    const [error] = await Promise.all([changedFieldValues(long, values(16), values(17)).catch((it: unknown) => it)]);
    expect((error as InvalidCustomField).errors).toEqual([expect.objectContaining({ rule: 'size' })]);
  });
});
