import { isDeepStrictEqual } from 'node:util';

/** What an event may hold of `before`, `after` or `details` each, in bytes of JSON. */
export const MAX_CONTENT_BYTES = 4096;

const REMOVED = '[removed]';
const TOO_DEEP = '[too deep]';
const MAX_DEPTH = 8;
const MAX_NODES = 2000;
const MAX_ITEMS = 100;
const MAX_NAME = 100;
const MAX_HEAD = 200;

/** Part of a field's name, in whatever spelling: its value is a secret. */
const SECRET_PARTS =
  /password|passwd|passphrase|secret|token|credential|recovery|cookie|authorization|privatekey|apikey/;
/** A whole word of a field's name; as a part it would meet the likes of `monkey`, `hashtag` and `spinner`. */
const SECRET_WORDS = new Set(['key', 'keys', 'hash', 'hashes', 'salt', 'otp', 'totp', 'pin', 'mac', 'signature']);

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type JsonObject = Record<string, Json>;

export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return SECRET_PARTS.test(words.join('')) || words.some((word) => SECRET_WORDS.has(word));
}

/** Text as PostgreSQL takes it: no NUL, no lone surrogate; at most `max` UTF-16 units. */
export function storableText(text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return cut.replaceAll('\0', '\uFFFD').toWellFormed();
}

/**
 * What is stored of a change: only the fields that differ when both sides are given, secrets removed at any depth, each
 * side within {@link MAX_CONTENT_BYTES}.
 */
export function contentOf(before: unknown, after: unknown): { before: Json | null; after: Json | null } {
  let [old, now] = [plain(before), plain(after)];
  // Compared before secrets go, so that a changed one still shows as changed.
  if (isObject(old) && isObject(now)) ({ before: old, after: now } = diff(old, now));
  return { before: bounded(withoutSecrets(old)), after: bounded(withoutSecrets(now)) };
}

/** The fields that differ, on both sides; within nested objects again only those. */
export function diff(before: JsonObject, after: JsonObject): { before: JsonObject; after: JsonObject } {
  const [old, now]: [JsonObject, JsonObject] = [record(), record()];
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [a, b] = [before[name], after[name]];
    if (isDeepStrictEqual(a, b)) continue;
    if (isObject(a) && isObject(b)) {
      const inner = diff(a, b);
      [old[name], now[name]] = [inner.before, inner.after];
      continue;
    }
    if (a !== undefined) old[name] = a;
    if (b !== undefined) now[name] = b;
  }
  return { before: old, after: now };
}

/** Plain JSON of any value: cycles, depth and number of nodes are bounded, so that no input is too much to look at. */
export function plain(value: unknown): Json {
  let nodes = 0;
  const walk = (at: unknown, depth: number): Json => {
    nodes += 1;
    if (at === null || at === undefined || typeof at === 'boolean') return at ?? null;
    if (typeof at === 'string') return storableText(at, Infinity);
    if (typeof at === 'number') return Number.isFinite(at) ? at : String(at);
    if (typeof at === 'bigint') return at.toString();
    if (typeof at !== 'object') return `[${typeof at}]`;
    if (at instanceof Date) return Number.isNaN(at.getTime()) ? 'Invalid Date' : at.toISOString();
    if (ArrayBuffer.isView(at)) return `[${at.byteLength} bytes]`;
    if (depth >= MAX_DEPTH) return TOO_DEEP;
    // A key that is an object may have no text at all.
    if (at instanceof Map) return walk(Object.fromEntries([...at].map(([key, field]) => [keyOf(key), field])), depth);
    if (at instanceof Set) return walk([...at], depth);
    if (Array.isArray(at)) {
      const items: Json[] = [];
      for (const item of at) {
        if (nodes >= MAX_NODES || items.length >= MAX_ITEMS) return [...items, `[${at.length - items.length} more]`];
        items.push(walk(item, depth + 1));
      }
      return items;
    }
    const fields = record();
    for (const [name, field] of Object.entries(at)) {
      if (nodes >= MAX_NODES) {
        fields['[truncated]'] = 'more fields';
        break;
      }
      if (field === undefined || typeof field === 'function') continue;
      fields[storableText(name, MAX_NAME)] = walk(field, depth + 1);
    }
    return fields;
  };
  return walk(value, 0);
}

export function withoutSecrets(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  const kept = record();
  for (const [name, field] of Object.entries(value)) kept[name] = isSecretName(name) ? REMOVED : withoutSecrets(field);
  return kept;
}

/** The value, or its fields as far as they fit with a marker in place of each that does not. */
export function bounded(value: Json): Json {
  const size = bytesOf(value);
  if (size <= MAX_CONTENT_BYTES) return value;
  if (!isObject(value)) return shortened(value, size);
  const kept = record();
  const fields = Object.entries(value);
  // Braces, and the closing marker for the fields after the last one that fits.
  let left = MAX_CONTENT_BYTES - 60;
  let added = 0;
  for (const [name, field] of fields) {
    const fits = (candidate: Json): boolean => bytesOf({ [name]: candidate }) <= left;
    // A field of a quarter's size at most, so that one long text does not push all others out.
    const bytes = bytesOf(field);
    const candidate = bytes <= MAX_CONTENT_BYTES / 4 && fits(field) ? field : shortened(field, bytes);
    if (!fits(candidate)) break;
    kept[name] = candidate;
    left -= bytesOf({ [name]: candidate });
    added += 1;
  }
  if (added < fields.length) kept['[truncated]'] = `${fields.length - added} more fields`;
  return kept;
}

function keyOf(key: unknown): string {
  if (typeof key === 'object' && key !== null) return '[object]';
  return String(key);
}

function shortened(value: Json, bytes: number): string {
  const head = typeof value === 'string' ? storableText(value, MAX_HEAD) : '';
  return `${head}[truncated: ${bytes} bytes]`;
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without a prototype: a field named `__proto__` is a field like any other. */
function record(): JsonObject {
  return Object.create(null) as JsonObject;
}
