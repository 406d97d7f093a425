import type { Type } from '@nestjs/common';
import { validationPipe } from '../http/index.js';
import { declaredSetting } from '../settings/index.js';

const pipe = validationPipe();

/** What was typed, checked by the same rules as a request. @throws ValidationFailed */
export async function checked<T>(metatype: Type<T>, value: object): Promise<T> {
  const given = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
  return (await pipe.transform(given, { type: 'body', metatype })) as T;
}

/**
 * Settings as typed: JSON where it is JSON and allowed, otherwise text.
 *
 * @param set `key=value` each @param unset keys that go back to their default
 * @returns undefined when there are none
 */
export function settingsOf(set: string[] = [], unset: string[] = []): Record<string, unknown> | undefined {
  if (set.length === 0 && unset.length === 0) return undefined;
  const given = set.map((assignment): [string, unknown] => {
    const end = assignment.indexOf('=');
    const key = assignment.slice(0, end);
    return [key, valueOf(key, assignment.slice(end + 1))];
  });
  return Object.fromEntries([...given, ...unset.map((key): [string, null] => [key, null])]);
}

function valueOf(key: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  const setting = declaredSetting(key);
  return setting && !setting.accepts(value) && setting.accepts(text) ? text : value;
}

/** A number of days as typed; what is none of either is left for the rules to refuse. */
export function daysOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (text === 'never') return null;
  return /^\d{1,9}$/.test(text) ? Number(text) : text;
}

/** An ETag as typed: a shell has taken its quotes. */
export function tagOf(text: string | undefined): string | undefined {
  return text === undefined || text.startsWith('"') || text === '*' ? text : `"${text}"`;
}
