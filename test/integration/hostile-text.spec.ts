import 'reflect-metadata';
import { getMetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import '../../src/app.module.js';
import { validationPipe } from '../../src/http/validation.pipe.js';

type Class = new () => object;

/** More than any field may hold, less than a body: time that grows with the square of it takes many seconds. */
const LENGTH = 150_000;
const MOST_MS = 1500;
const UNITS = [
  '@',
  'a',
  'a@',
  'a.',
  '.',
  '-',
  ' ',
  '\t',
  '\n',
  ':',
  '0',
  '1:',
  '/',
  '"',
  'T0',
  '+',
  'ä',
  '😀',
  '\u0000',
];
const ENDS = ['', '\u0001', '!', '@', 'Z'];
const HOSTILE = UNITS.flatMap((unit) => ENDS.map((end) => unit.repeat(LENGTH / unit.length) + end));

/** Every class of a body or query that any rule stands on, with the fields that have one. */
function ruled(): [name: string, type: Class, fields: string[]][] {
  const storage = getMetadataStorage() as unknown as { validationMetadatas: Map<Class, { propertyName: string }[]> };
  return [...storage.validationMetadatas].map(([type, rules]) => [
    type.name,
    type,
    [...new Set(rules.map((rule) => rule.propertyName))],
  ]);
}

describe('a text of 150,000 characters that was made to take long', () => {
  it('meets every class that checks what it is sent', () => {
    const names = ruled().map(([name]) => name);
    for (const name of ['LoginRequest', 'EmailRequest', 'CreateRoleRequest', 'ApiKeyRequest', 'ChatRequest']) {
      expect(names).toContain(name);
    }
  });

  it.each(ruled())('is settled at once in any field of %s', async (_name, type, fields) => {
    const pipe = validationPipe();
    let slowest = { ms: 0, text: '' };
    for (const text of HOSTILE) {
      const body = Object.fromEntries(fields.map((field) => [field, text]));
      const startedMs = performance.now();
      await pipe.transform(body, { type: 'body', metatype: type }).catch(() => undefined);
      const ms = performance.now() - startedMs;
      if (ms > slowest.ms) slowest = { ms, text: `${text.slice(0, 4)}…${text.slice(-1)}` };
    }
    expect(slowest.ms, JSON.stringify(slowest.text)).toBeLessThan(MOST_MS);
  });
});
