import fc, { type Arbitrary } from 'fast-check';
import { hostileHeader, hostileText, MARK, rawBody, spoiled } from './hostile.js';
import type { Operation, Parameter } from './operations.js';
import { type Json, type Source, valuesOf } from './schema.arbitrary.js';
import type { Sent } from './wire.js';
import type { World } from './world.js';

/** Who may ask. What each sends as Authorization is known to the world. */
export const ACTORS = ['nobody', 'visitor', 'member', 'owner', 'program', 'platform', 'stranger', 'nonsense'] as const;
export type Actor = (typeof ACTORS)[number];

/** A request before it is known what its actor sends as a credential. */
export interface Attack {
  actor: Actor;
  /** Whether everything in it is as the document says. */
  valid: boolean;
  sent: Sent;
}

interface Drawn {
  actor: Actor;
  path: string;
  query: [string, string][];
  headers: [string, string][];
  body: { type: string; bytes: Buffer } | undefined;
}

/** Longer targets are the server's business, not the application's. */
const LONGEST_TARGET = 14_000;

/** Requests of an operation, valid and not. */
export function attacksOn(source: Source, operation: Operation, world: World): Arbitrary<Attack> {
  return fc.oneof(
    { weight: 2, arbitrary: drawn(source, operation, world, true).map((parts) => assembled(operation, parts, true)) },
    {
      weight: 5,
      arbitrary: drawn(source, operation, world, false).map((parts) => assembled(operation, parts, false)),
    },
  );
}

/** Requests that the document allows, from the actor they are meant for. */
export function proper(source: Source, operation: Operation, world: World): Arbitrary<Attack> {
  const actor = isPlatforms(operation) ? 'platform' : 'owner';
  return drawn(source, operation, world, true).map((parts) => assembled(operation, { ...parts, actor }, true));
}

export const isPlatforms = ({ path }: Operation): boolean => path.startsWith('/api/admin');

function drawn(source: Source, operation: Operation, world: World, valid: boolean): Arbitrary<Drawn> {
  return fc.record({
    actor: actorOf(operation),
    path: pathOf(source, operation, world, valid),
    query: queryOf(source, operation, valid),
    headers: headersOf(operation, world, valid),
    body: bodyOf(source, operation, valid),
  });
}

function actorOf(operation: Operation): Arbitrary<Actor> {
  const meant: Actor[] = isPlatforms(operation) ? ['platform'] : ['owner', 'member', 'visitor'];
  return fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...meant) },
    { weight: 2, arbitrary: fc.constantFrom(...ACTORS) },
  );
}

function pathOf(source: Source, operation: Operation, world: World, valid: boolean): Arbitrary<string> {
  const segments = operation.path.split('/').map((segment): Arbitrary<string> => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined) return fc.constant(segment);
    const parameter = operation.parameters.find((one) => one.in === 'path' && one.name === name);
    const byDocument = valuesOf(source, parameter?.schema ?? { type: 'string' }, name).map((value) =>
      encodeURIComponent(wellFormed(textOf(value))),
    );
    const known = world.namesFor(operation, segment);
    const sound = known.length > 0 ? fc.constantFrom(...known.map((one) => encodeURIComponent(one))) : byDocument;
    if (valid) return sound;
    const hostile = fc
      .tuple(hostileText, fc.boolean())
      // As it is where a client lets it through: a service also meets those that do not encode.
      .map(([text, encode]) =>
        (encode ? encodeURIComponent(wellFormed(text)) : text.replaceAll(/[^\x21-\x7e\x80-\xff]|[?#]/g, '')).slice(
          0,
          6000,
        ),
      );
    return fc.oneof(
      { weight: 4, arbitrary: sound },
      { weight: 1, arbitrary: byDocument },
      { weight: 2, arbitrary: hostile },
    );
  });
  const plain = fc.tuple(...segments).map((parts) => parts.join('/'));
  if (valid) return plain;
  const twisted = plain.chain((path) =>
    fc.constantFrom(
      `/${world.slug}${path}`,
      `${path}/`,
      `/${path}`,
      path.toUpperCase(),
      `${path}%00`,
      `${path}/..`,
      `${path};x=1`,
    ),
  );
  return fc.oneof({ weight: 12, arbitrary: plain }, { weight: 1, arbitrary: twisted });
}

function queryOf(source: Source, operation: Operation, valid: boolean): Arbitrary<[string, string][]> {
  const parameters = operation.parameters.filter((one) => one.in === 'query');
  // Only an earlier answer says what a cursor can be.
  const free = parameters.filter(({ name }) => name !== 'cursor');
  const given = free.map((parameter) =>
    fc.option(
      soundOrNot(source, parameter, valid).map((text): [string, string] => [parameter.name, text]),
      { freq: parameter.required ? 20 : 2, nil: undefined },
    ),
  );
  const sound = fc.tuple(...given).map((pairs) => pairs.filter((pair) => pair !== undefined));
  if (valid) return sound;
  const names = parameters.map(({ name }) => name);
  const extra = fc.tuple(
    fc.constantFrom(
      ...names,
      ...names.map((name) => `${name}[]`),
      `__proto__[${MARK}]`,
      'constructor',
      'tenant_id',
      'format',
      '',
    ),
    hostileText.map((text) => text.slice(0, 3000)),
  );
  return fc.tuple(sound, fc.array(extra, { maxLength: 2 })).map(([pairs, extras]) => [...pairs, ...extras]);
}

function soundOrNot(source: Source, { name, schema = {} }: Parameter, valid: boolean): Arbitrary<string> {
  const sound = valuesOf(source, schema, name).map(textOf);
  return valid
    ? sound
    : fc.oneof(
        { weight: 2, arbitrary: sound },
        { weight: 1, arbitrary: hostileText.map((text) => text.slice(0, 3000)) },
      );
}

function headersOf(operation: Operation, world: World, valid: boolean): Arbitrary<[string, string][]> {
  const named = isPlatforms(operation)
    ? fc.constant([])
    : fc.constant<[string, string][]>([['x-tenant-id', world.slug]]);
  const declared = operation.parameters
    .filter((one) => one.in === 'header' && one.name !== 'X-Tenant-ID')
    .map(({ name }) =>
      fc.option(
        fc.nat(9).map((n): [string, string] => [name.toLowerCase(), name === 'If-Match' ? `"${n}"` : `key-${n}`]),
        { nil: undefined, freq: 1 },
      ),
    );
  const sound = fc
    .tuple(named, fc.tuple(...declared))
    .map(([tenant, more]) => [...tenant, ...more.filter((pair) => pair !== undefined)]);
  if (valid) return sound;
  return fc
    .tuple(sound, fc.array(hostileHeader, { maxLength: 2 }))
    .map(([headers, hostile]) => [...headers, ...hostile]);
}

function bodyOf(source: Source, operation: Operation, valid: boolean): Arbitrary<Drawn['body']> {
  const declared = Object.entries(operation.bodies);
  const sound = declared.map(([type, { schema = {} }]) =>
    /json$/.test(type) ? jsonBody(type, valuesOf(source, schema)) : binaryBody(type),
  );
  const none = fc.constant(undefined);
  if (valid) return sound.length > 0 ? fc.oneof(...sound) : none;
  const spoilt = declared
    .filter(([type]) => /json$/.test(type))
    .map(([type, { schema = {} }]) => ({ weight: 6, arbitrary: jsonBody(type, spoiled(valuesOf(source, schema))) }));
  return fc.oneof(
    ...spoilt,
    ...sound.map((arbitrary) => ({ weight: 2, arbitrary })),
    { weight: sound.length > 0 ? 1 : 4, arbitrary: none },
    { weight: 1, arbitrary: rawBody },
  );
}

const jsonBody = (type: string, values: Arbitrary<Json>) =>
  values.map((value) => ({ type, bytes: Buffer.from(JSON.stringify(value)) }));

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const binaryBody = (type: string) =>
  fc
    .oneof(
      fc.constant(PNG),
      fc
        .constantFrom('GIF89a', '\xff\xd8\xff', 'RIFFxxxxWEBP', '<svg onload="alert(1)"/>', 'TENANTRY')
        .map((text) => Buffer.from(text, 'latin1')),
      fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(100_000, 2_000_000).map((length) => Buffer.alloc(length, 'x')),
    )
    .map((bytes) => ({ type, bytes }));

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Lone surrogates have no encoding in a URL. */
const wellFormed = (text: string): string => text.toWellFormed();

function assembled(operation: Operation, { actor, path, query, headers, body }: Drawn, valid: boolean): Attack {
  const pairs = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(wellFormed(value))}`);
  const target = (query.length > 0 ? `${path}?${pairs.join('&')}` : path).slice(0, LONGEST_TARGET);
  return {
    actor,
    valid,
    sent: {
      method: operation.method,
      path: target,
      headers: {
        ...(body && { 'content-type': body.type }),
        ...Object.fromEntries(headers),
      },
      ...(body && { body: body.bytes }),
    },
  };
}
