import fc, { type Arbitrary } from 'fast-check';
import type { Json } from './schema.arbitrary.js';

/** What a polluted prototype, or a header that was smuggled in, would show. */
export const MARK = 'tenantry-abuse-mark';

const SQL = [
  "' OR '1'='1",
  "'; DROP TABLE shared.users; --",
  "x' UNION SELECT current_user--",
  '$1',
  '%_%',
  "\\'",
  "1; SELECT set_config('app.tenant_id', '', false)",
];
const HEADERS = [`a\r\nX-Injected: ${MARK}`, `a\nSet-Cookie: ${MARK}=1`, `a\u2028X-Injected: ${MARK}`];
const PATHS = [
  '../../../../etc/passwd',
  '..\\..\\windows\\win.ini',
  '/etc/passwd',
  'file:///etc/passwd',
  'a/../b',
  '.',
];
const UNICODE = [
  '\u0000',
  'a\u0000b',
  '\ud800',
  'x\udfff',
  '\ufeff',
  '\u202eabc',
  '\u200b',
  'İstanbul ß ﬁ',
  'e\u0301'.repeat(50),
  'Z̸̢͔a̵̗l̶g̷o',
  '👩‍👩‍👧‍👦',
  '\u001b[31m',
  '\u007f\u0080\u009f',
  '\u{10ffff}',
];
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'then', '$where', ''];
const NUMBERS = ['NaN', 'Infinity', '-0', '1e999', '0x10', '9007199254740993', '-1', '1.5', '٣'];
const DATES = [
  '0000-00-00',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  '9999-12-31T23:59:59Z',
  '-271821-04-20',
];
const URLS = [
  'http://169.254.169.254/latest/',
  'javascript:alert(1)',
  'http://[::]:1/',
  'http://a@b:c@d/',
  '//x',
  'postgres://x',
];
const TEMPLATES = ['{{7*7}}', '${7*7}', '{% raw %}', '<script>alert(1)</script>', '%s%s%n', '%00', '%ff', '%'];
const IDS = [
  '00000000-0000-0000-0000-000000000000',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  'null',
  'undefined',
  '[object Object]',
];

/** Texts that have broken somebody's service. */
export const SHORT_TEXTS = [
  ...SQL,
  ...HEADERS,
  ...PATHS,
  ...UNICODE,
  ...NAMES,
  ...NUMBERS,
  ...DATES,
  ...URLS,
  ...TEMPLATES,
  ...IDS,
];

export const hostileText: Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SHORT_TEXTS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('x', 'a@', '0', ' ', 'ä', '\u0000', '('), fc.constantFrom(300, 5000, 40_000, 120_000))
      .map(([unit, length]) => unit.repeat(length)),
  },
);

function nested(levels: number, wrap: (inner: Json) => Json): Json {
  let value: Json = 'end';
  for (let level = 0; level < levels; level += 1) value = wrap(value);
  return value;
}

/** JSON.parse makes an own property of it, as a body does. */
const pollution = (): Json =>
  JSON.parse(`{"__proto__":{"${MARK}":1},"constructor":{"prototype":{"${MARK}":1}}}`) as Json;

/** Values that stand where another type or size is expected. */
export const hostileValue: Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: hostileText },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Json>(
      null,
      true,
      0,
      -1,
      1.5,
      2 ** 31,
      -(2 ** 31) - 1,
      2 ** 53,
      1e21,
      1e308,
      5e-324,
      [],
      {},
      [[]],
      [null],
      { $gt: '' },
      { length: 1e9 },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('array', 'object', 'long array', 'many keys', 'pollution').map((kind): Json => {
      if (kind === 'array') return nested(40, (inner) => [inner]);
      if (kind === 'object') return nested(1000, (inner) => ({ a: inner }));
      if (kind === 'long array') return Array.from({ length: 5000 }, (_, index) => index);
      if (kind === 'many keys')
        return Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`k${index}`, index]));
      return pollution();
    }),
  },
);

/** Changes a value somewhere: puts something hostile there, leaves it out, or adds what nobody asked for. */
export function spoiled(valid: Arbitrary<Json>): Arbitrary<Json> {
  const change = fc.record({
    at: fc.nat(),
    how: fc.constantFrom('replace', 'replace', 'replace', 'omit', 'add'),
    name: fc.constantFrom('tenant_id', 'id', 'role', 'permissions', 'is_admin', ...NAMES),
    value: hostileValue,
  });
  return fc.tuple(valid, fc.array(change, { minLength: 1, maxLength: 3 })).map(([value, changes]) =>
    changes.reduce((current, { at, how, name, value: hostile }) => {
      const places = placesIn(current);
      const place = places[at % places.length];
      if (place === undefined) return hostile;
      if (how === 'omit') delete place.holder[place.key];
      else define(place.holder, how === 'add' ? name : place.key, hostile);
      return current;
    }, structuredClone(value)),
  );
}

interface Place {
  holder: Record<string, Json>;
  key: string;
}

/** Without recursion: what is put there may be nested deeper than the stack. */
function placesIn(value: Json): Place[] {
  const places: Place[] = [];
  const left = [value];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    if (typeof one !== 'object' || one === null) continue;
    const holder = one as Record<string, Json>;
    for (const [key, inner] of Object.entries(holder)) {
      places.push({ holder, key });
      left.push(inner);
    }
  }
  return places;
}

/** An own property, `__proto__` too. */
function define(holder: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Bodies that are not the JSON they say, or not of the type they say. */
export const rawBody: Arbitrary<{ type: string; bytes: Buffer }> = fc
  .tuple(
    fc.constantFrom(
      'application/json',
      'application/json',
      'application/json; charset=utf-16',
      'application/json; charset=none-such',
      'APPLICATION/JSON',
      'application/vnd.api+json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'application/xml',
      'application/octet-stream',
      'image/png',
      'nonsense',
      '',
    ),
    fc.oneof(
      fc
        .constantFrom(
          '',
          '{',
          '[]',
          '""',
          'null',
          '1',
          '{"a":1}{"b":2}',
          '{"a":NaN}',
          "{'a':1}",
          '\ufeff{}',
          '{"tenant_id":"acme","tenant_id":"globex"}',
          `{"__proto__":{"${MARK}":1}}`,
          `__proto__[${MARK}]=1&a[]=1`,
          '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
          '--x\r\nContent-Disposition: form-data; name="a"; filename="../b"\r\n\r\n1\r\n--x--\r\n',
        )
        .map((text) => Buffer.from(text)),
      fc.constantFrom('[', '{"a":').map((text) => Buffer.from(text.repeat(20_000))),
      fc.constant(300_000).map((length) => Buffer.from(JSON.stringify({ a: 'x'.repeat(length) }))),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    ),
  )
  .map(([type, bytes]) => ({ type, bytes }));

/** Headers that have a meaning somewhere on the way of a request. */
export const hostileHeader: Arbitrary<[string, string]> = fc.oneof(
  fc.constantFrom<[string, string]>(
    ['accept', 'text/html;q=nonsense, */*;q=-1'],
    ['accept', 'application/xml'],
    ['accept-encoding', 'gzip;q=9, br, *;q=0'],
    ['accept-language', '*-*-*,,,;;;'],
    ['content-encoding', 'gzip'],
    ['content-encoding', 'none-such'],
    ['range', 'bytes=0-'],
    ['range', 'bytes=-1,0-0,5-2'],
    ['range', 'lines=1-2'],
    ['if-match', '*'],
    ['if-match', '"0", W/"1", nonsense'],
    ['if-none-match', '*'],
    ['if-none-match', 'W/"'],
    ['if-modified-since', 'yesterday'],
    ['if-range', '"x"'],
    ['origin', 'null'],
    ['origin', 'http://localhost:3000'],
    ['access-control-request-method', 'DELETE'],
    ['x-http-method-override', 'DELETE'],
    ['x-forwarded-host', 'globex.localhost'],
    ['x-forwarded-proto', 'gopher'],
    ['x-original-url', '/api/admin/tenants'],
    ['forwarded', 'for="[::1]:x";host=globex.localhost'],
    ['host', 'globex.localhost'],
    ['host', 'a..b:99999'],
    ['host', '[::1'],
    ['cookie', 'tenantry_refresh=x; __proto__=1; a=%ff; =; ;;'],
    ['x-csrf-token', 'x'],
    ['x-request-id', 'x'.repeat(5000)],
    ['x-request-id', '"><script>'],
    ['traceparent', '00-zz-zz-01'],
    ['idempotency-key', 'x'.repeat(300)],
    ['idempotency-key', ''],
    ['last-event-id', '-1'],
    ['expect', '200-ok'],
    ['te', 'trailers'],
    ['upgrade', 'h2c'],
    ['x-tenant-id', 'globex'],
    ['x-tenant-id', 'acme, globex'],
    ['x-tenant-id', '../acme'],
    ['x-tenant-id', '__proto__'],
  ),
  fc
    .tuple(
      fc.constantFrom(
        'x-tenant-id',
        'idempotency-key',
        'if-match',
        'if-none-match',
        'accept',
        'origin',
        'authorization',
      ),
      hostileText,
    )
    // What Node's client lets through; bytes past it are for those who write to the socket themselves.
    .map(([name, text]): [string, string] => [name, text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?').slice(0, 9000)]),
);
