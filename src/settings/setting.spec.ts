import { IsIn, IsString, Max, MaxLength, Min } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { declareSecret, declareSetting, Satisfies } from './setting.js';
import { effectiveSetting, settingOf } from './tenant.settings.js';

const LEVEL = declareSetting<number>({
  key: 'spec.level',
  description: 'A level.',
  type: 'integer',
  rules: [Min(1), Max(10)],
  allowed: 'an integer from 1 to 10',
  default: 5,
  changedBy: 'admin',
  byPlan: true,
});
const COLOUR = declareSetting<string | undefined>({
  key: 'spec.colour',
  description: 'A colour.',
  type: 'string',
  rules: [IsIn(['red', 'blue'])],
  allowed: 'red or blue',
  default: undefined,
  changedBy: 'admin',
});
const PASSWORD = declareSecret({
  key: 'spec.password',
  description: 'A password.',
  rules: [MaxLength(20)],
  allowed: 'a text of at most 20 characters',
  changedBy: 'owner',
});

describe('a declared setting', () => {
  it('takes what its type and rules allow, and nothing else', () => {
    for (const value of [1, 10]) expect(LEVEL.accepts(value)).toBe(true);
    for (const value of [0, 11, 1.5, NaN, '5', null, undefined, [5], {}]) expect(LEVEL.accepts(value)).toBe(false);
    expect(COLOUR.accepts('green')).toBe(false);
  });

  it('tells a form what it takes', () => {
    expect(LEVEL.jsonSchema).toEqual({
      type: 'integer',
      description: 'A level.',
      default: 5,
      minimum: 1,
      maximum: 10,
    });
    const list = declareSetting<string[]>({
      key: 'spec.list',
      description: 'A list.',
      type: 'array',
      rules: [IsString({ each: true }), Satisfies('short', (value) => (value as unknown[]).length < 3)],
      allowed: 'a short list of texts',
      default: [],
      changedBy: 'admin',
    });
    expect(list.jsonSchema).toMatchObject({ type: 'array', items: { type: 'string' } });
    expect(PASSWORD.jsonSchema).toMatchObject({ type: 'string', maxLength: 20, writeOnly: true });
  });

  it('is stored as a sealed text when it is a secret, and takes a plain one before that', () => {
    expect(PASSWORD.acceptsText('hunter2')).toBe(true);
    expect(PASSWORD.acceptsText('x'.repeat(21))).toBe(false);
    expect(PASSWORD.accepts('hunter2')).toBe(false);
    expect(PASSWORD.accepts({ sealed: 'AAAA' })).toBe(true);
  });

  it('may have no one type, and takes what its rules alone allow then', () => {
    const either = {
      key: 'spec.either',
      description: 'Off, or how much.',
      rules: [Satisfies('either', (value) => value === false || value === 1)],
      allowed: 'false or 1',
      default: false,
      changedBy: 'admin' as const,
      schema: { enum: [false, 1] },
    };
    const setting = declareSetting<unknown>(either);
    expect([false, 1, true, '1', null].map((value) => setting.accepts(value))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(setting.jsonSchema).toEqual({ description: 'Off, or how much.', default: false, enum: [false, 1] });
    expect(() => declareSetting({ ...either, key: 'spec.any', rules: [] })).toThrow('needs rules');
  });

  it('is declared once, under a key, with a default that it would take', () => {
    const declare = (more: object) => () => declareSetting({ ...LEVEL, ...more });
    expect(declare({})).toThrow('declared twice');
    expect(declare({ key: 'Spec Level' })).toThrow('a key is');
    expect(declare({ key: 'spec.other', default: 0 })).toThrow('its default is not allowed');
  });
});

describe('the value in force', () => {
  const inherited = {
    plan: { 'spec.level': 7, 'spec.colour': 'red' },
    platform: { 'spec.level': 3, 'spec.colour': 'blue' },
  };

  it("is the tenant's own, else its plan's, else the platform's, else the default", () => {
    expect(effectiveSetting({ settings: { 'spec.level': 9 }, inherited }, LEVEL)).toEqual({
      value: 9,
      source: 'tenant',
    });
    expect(effectiveSetting({ settings: {}, inherited }, LEVEL)).toEqual({ value: 7, source: 'plan' });
    const without = { ...inherited, plan: {} };
    expect(effectiveSetting({ settings: {}, inherited: without }, LEVEL)).toEqual({ value: 3, source: 'platform' });
    expect(effectiveSetting({ settings: {}, inherited: undefined }, LEVEL)).toEqual({ value: 5, source: 'default' });
  });

  it('passes over a plan that may not set it, and over stored values that are not allowed any more', () => {
    expect(effectiveSetting({ settings: {}, inherited }, COLOUR)).toEqual({ value: 'blue', source: 'platform' });
    expect(effectiveSetting({ settings: { 'spec.level': 99 }, inherited }, LEVEL).source).toBe('plan');
  });

  it('is another when what is inherited changes and the own settings are the same object', () => {
    const settings = {};
    expect(settingOf({ settings, inherited }, LEVEL)).toBe(7);
    expect(settingOf({ settings, inherited: undefined }, LEVEL)).toBe(5);
  });
});
