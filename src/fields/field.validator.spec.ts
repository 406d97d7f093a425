import { describe, expect, it } from 'vitest';
import type { FieldSchema } from './field.schema.js';
import { faultsOf } from './field.validator.js';

describe('a list of a custom field', () => {
  const schema: FieldSchema = {
    properties: { tags: { type: 'array', items: { enum: ['red', 'green'] }, uniqueItems: true } },
  };
  const faultsIn = (tags: unknown) => faultsOf(schema, { tags }, true);

  it('is refused in few words, however long and wrong it is', async () => {
    expect(await faultsIn(['red', 'green'])).toEqual([]);
    const long = Array.from({ length: 80_000 }, (_, at) => `x${at}`);
    expect(await faultsIn(long)).toEqual([
      { pointer: '/custom_fields/tags', rule: 'maxItems', detail: 'must name at most 100' },
    ]);
    const faults = await faultsIn(long.slice(0, 100));
    expect(faults.length).toBeLessThanOrEqual(20);
    expect(faults.length).toBeGreaterThan(1);
  });

  it('holds texts, whether its items say so or not', async () => {
    expect((await faultsIn([7])).map(({ rule }) => rule)).toContain('type');
  });
});
