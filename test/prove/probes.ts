import { PNG } from '../kit/files.js';
import type { Actor } from './actors.js';
import { ARCHIVED, TENANTS, type World } from './world.js';
import type { Sent } from './http.js';
import { bodyOf, namesSomething, type Operation, type Parameter } from './operations.js';

/** One request, and what may be in the answer. */
export interface Probe {
  operation: Operation;
  actor: Actor;
  /** What is tried, in a few words. */
  attempt: string;
  request: Sent;
  /** Whose private data the answer may hold. */
  own?: string | undefined;
  /** Those that the request names: what is open to everybody may be in the answer. */
  named: string[];
  /** The same with something that nobody has, which must be answered with the same bytes. */
  twin?: { request: Sent; given: string; instead: string };
}

/** A way to name a tenant, or two of them. */
interface Naming {
  name: string;
  named: string[];
  /** Set where it is the actor's tenant alone that is named, or none. */
  own: boolean;
  apply(request: Sent): Sent;
  /** With a name that nobody has in place of the foreign one. */
  unknown?: (request: Sent) => Sent;
}

const HEADER = 'X-Tenant-ID';
const RANDOM_NAME = 'no-such-tenant';

const withHeaders =
  (...headers: [string, string][]) =>
  (request: Sent): Sent => ({ ...request, headers: [...request.headers, ...headers] });
const atPath =
  (slug: string, ...headers: [string, string][]) =>
  (request: Sent): Sent => ({ ...withHeaders(...headers)(request), path: `/${slug}${request.path}` });

function namingsOf(own: string, foreign: string): Naming[] {
  const host = (slug: string): [string, string] => ['Host', `${slug}.localhost`];
  return [
    { name: 'own header', named: [own], own: true, apply: withHeaders([HEADER, own]) },
    { name: 'no name', named: [], own: true, apply: (request) => request },
    {
      name: 'foreign header',
      named: [foreign],
      own: false,
      apply: withHeaders([HEADER, foreign]),
      unknown: withHeaders([HEADER, RANDOM_NAME]),
    },
    {
      name: 'header of an archived tenant',
      named: [],
      own: false,
      apply: withHeaders([HEADER, ARCHIVED]),
      unknown: withHeaders([HEADER, RANDOM_NAME]),
    },
    {
      name: 'foreign host',
      named: [foreign],
      own: false,
      apply: withHeaders(host(foreign)),
      unknown: withHeaders(host(RANDOM_NAME)),
    },
    {
      name: 'foreign path',
      named: [foreign],
      own: false,
      apply: atPath(foreign),
      unknown: atPath(RANDOM_NAME),
    },
    { name: 'both in one header', named: [], own: false, apply: withHeaders([HEADER, `${own}, ${foreign}`]) },
    { name: 'both in two headers', named: [], own: false, apply: withHeaders([HEADER, own], [HEADER, foreign]) },
    { name: 'own host, foreign header', named: [], own: false, apply: withHeaders(host(own), [HEADER, foreign]) },
    { name: 'own path, foreign header', named: [], own: false, apply: atPath(own, [HEADER, foreign]) },
    {
      name: 'own header, foreign forwarded host',
      named: [],
      own: false,
      apply: withHeaders([HEADER, own], ['X-Forwarded-Host', `${foreign}.localhost`]),
    },
    { name: 'a name that is none', named: [], own: false, apply: withHeaders([HEADER, `${own}'--`]) },
  ];
}

/** What no row has for a name; sent as they are, so encoded for a path already. */
const MALFORMED = [
  'not-an-id',
  '%00',
  "'%20OR%20'1'='1",
  '..%2f..%2fapi%2fusers',
  '00000000-0000-0000-0000-000000000000',
];

/** Makes the probes of an operation by an actor against a tenant. */
export class Probes {
  constructor(private readonly world: World) {}

  private get ids() {
    return this.world.ids;
  }

  /** Those that must change nothing: reads, and writes that have to be refused. */
  async harmless(operation: Operation, actor: Actor, foreign: string): Promise<Probe[]> {
    const probes: Probe[] = [];
    const own = actor.tenant ?? this.other(foreign);
    const reading = operation.method === 'GET';
    const onPlatform = operation.access.kind === 'platform' || operation.access.kind === 'platform-public';
    // Whoever is let in to write without a word on whose it is, writes: that is another matter.
    const opens = !reading && this.isOpen(operation, actor);
    const base = await this.base(operation, actor, own);
    const make = (attempt: string, request: Sent, more: Partial<Probe> = {}): void => {
      probes.push({ operation, actor, attempt, request, own: actor.tenant, named: [], ...more });
    };
    if (onPlatform) {
      if (actor.kind === 'platform' && !reading) return [];
      if (opens) return [];
      for (const slug of operation.path.includes('{tenant}') ? TENANTS : [own]) {
        const request = await this.base(operation, actor, slug);
        make(`of ${slug}`, request, { named: [slug] });
        if (actor.kind !== 'platform') continue;
        make('under a tenant', withHeaders([HEADER, slug])(request), { named: [slug] });
      }
      return probes;
    }
    for (const naming of namingsOf(own, foreign)) {
      if (!reading && (naming.own || opens)) continue;
      const request = naming.apply(base);
      // Only who brings a tenant's bearer credential is turned away everywhere alike; others are let in where it is open.
      const alike = naming.unknown && this.isAlike(operation, actor);
      make(naming.name, request, {
        named: naming.named,
        ...(alike && {
          twin: { request: naming.unknown!(base), given: naming.named[0] ?? ARCHIVED, instead: RANDOM_NAME },
        }),
      });
    }
    if (opens) return probes;
    probes.push(...(await this.byIdentifier(operation, actor, own, foreign, base)));
    return probes;
  }

  /** What the actor may do, done to the own tenant; `text` makes what is written. */
  async own(operation: Operation, actor: Actor, foreign: string): Promise<Probe[]> {
    if (operation.method === 'GET' || operation.access.kind.startsWith('platform')) return [];
    const own = actor.tenant ?? this.other(foreign);
    const base = await this.base(operation, actor, own);
    const request = withHeaders([HEADER, own])(base);
    const probe = { operation, actor, own: actor.tenant, named: [own] };
    return [{ ...probe, attempt: 'own write', request }];
  }

  /** Foreign, unknown and malformed values wherever a row is named. */
  private async byIdentifier(
    operation: Operation,
    actor: Actor,
    own: string,
    foreign: string,
    base: Sent,
  ): Promise<Probe[]> {
    const probes: Probe[] = [];
    const named = withHeaders([HEADER, own]);
    const add = (attempt: string, request: Sent, twin?: Probe['twin']): void => {
      probes.push({
        operation,
        actor,
        attempt,
        request: named(request),
        own: actor.tenant,
        named: [own],
        ...(twin && { twin: { ...twin, request: named(twin.request) } }),
      });
    };
    for (const param of operation.pathParams) {
      for (const value of await this.ids.foreign(operation, param, own, foreign)) {
        const unknown = this.ids.unknownLike(value);
        const at = async (id: string): Promise<Sent> => ({
          ...base,
          path: await this.path(operation, own, { [param]: id }),
        });
        add(`foreign ${param}`, await at(value), { request: await at(unknown), given: value, instead: unknown });
        const both = `${await this.path(operation, own)}?${new URLSearchParams({ id: value, [param]: value, tenant_id: foreign, tenantId: foreign }).toString()}`;
        if (operation.method === 'GET') add(`own ${param}, foreign in the query`, { ...base, path: both });
      }
      for (const bad of MALFORMED) {
        add(`malformed ${param}`, { ...base, path: await this.path(operation, own, { [param]: bad }) });
      }
    }
    if (operation.method === 'GET') {
      for (const { name, schema } of operation.query) {
        for (const value of schema?.enum ?? []) {
          add(`${name} ${String(value)}`, {
            ...base,
            path: `${base.path}?${new URLSearchParams({ [name]: String(value) }).toString()}`,
          });
        }
      }
      for (const parameter of operation.query) await this.byQuery(operation, foreign, base, parameter, add);
    }
    const names = Object.keys(operation.body?.schema.properties ?? {});
    const refers = names.some((name) => this.ids.rows(name, foreign).length > 0);
    if (names.length > 0 && (operation.pathParams.length > 0 || refers || this.isAddressed(operation))) {
      await this.byBody(operation, own, foreign, base, add);
    }
    return probes;
  }

  private async byQuery(
    operation: Operation,
    foreign: string,
    base: Sent,
    parameter: Parameter,
    add: (attempt: string, request: Sent, twin?: Probe['twin']) => void,
  ): Promise<void> {
    const { name } = parameter;
    const at = (value: string): Sent => ({
      ...base,
      path: `${base.path}?${new URLSearchParams({ [name]: value }).toString()}`,
    });
    if (name === 'cursor') {
      const cursor = await this.ids.cursor(operation, foreign);
      if (cursor === undefined) return;
      const unknown = this.ids.unknownLike(cursor);
      add('foreign cursor', at(cursor), { request: at(unknown), given: cursor, instead: unknown });
      add('malformed cursor', at('%00'));
      return;
    }
    if (!namesSomething(name, parameter.schema)) return;
    for (const value of this.ids.values(foreign)) {
      const unknown = this.ids.unknownLike(value);
      add(`foreign ${name}`, at(value), { request: at(unknown), given: value, instead: unknown });
    }
    add(`${name} of everybody`, at('%'));
  }

  private async byBody(
    operation: Operation,
    own: string,
    foreign: string,
    base: Sent,
    add: (attempt: string, request: Sent, twin?: Probe['twin']) => void,
  ): Promise<void> {
    const properties = operation.body?.schema.properties ?? {};
    const theirs: Record<string, unknown> = {};
    const path = await this.unreachable(operation, own, foreign);
    const body = this.json(operation, own) as Record<string, unknown>;
    const at = (more: Record<string, unknown>): Sent => ({ ...base, path, body: encoded({ ...body, ...more }) });
    for (const [name, schema] of Object.entries(properties)) {
      if (name === 'tenant_id' || !namesSomething(name, schema)) continue;
      const [row] = this.ids.rows(name, foreign);
      if (row !== undefined) theirs[name] = row;
      for (const value of this.ids.forBody(name, schema, foreign)) {
        const unknown = this.ids.unknownLike(value);
        add(`foreign ${name}`, at({ [name]: value }), {
          request: at({ [name]: unknown }),
          given: value,
          instead: unknown,
        });
      }
    }
    add('foreign tenant in the body', at({ ...theirs, tenant_id: foreign, tenantId: foreign }));
  }

  /** A body of a route that opens something by what is in it is sent as it is; of one with a path, to a row that is foreign. */
  private async unreachable(operation: Operation, own: string, foreign: string): Promise<string> {
    const values: Record<string, string> = {};
    for (const param of operation.pathParams) {
      const [value] = await this.ids.foreign(operation, param, own, foreign);
      if (value !== undefined) values[param] = value;
    }
    return this.path(operation, own, values);
  }

  /** Whether its body says what it is about: a credential, a session, a person. */
  private isAddressed(operation: Operation): boolean {
    const required = operation.body?.schema.required ?? [];
    return required.some((name) => /(^|_)(token|code|session_id|id)$/.test(name));
  }

  /** Whether the actor is let in whatever tenant is named. */
  private isOpen(operation: Operation, actor: Actor): boolean {
    const { access } = operation;
    const bearer = actor.kind === 'user' || actor.kind === 'api-key' || actor.kind === 'support';
    if (access.kind === 'public' || access.kind === 'public-on-tenant') return true;
    if (access.kind === 'platform-public')
      return access.permission === undefined || !(bearer || actor.kind === 'platform');
    if (access.kind === 'tenant') return access.permission === undefined || !(bearer || actor.kind === 'platform');
    return false;
  }

  private isAlike(operation: Operation, actor: Actor): boolean {
    const bearer = actor.kind === 'user' || actor.kind === 'api-key' || actor.kind === 'support';
    // Where a session opens and no bearer credential does, whoever has none gets as far as being asked for one.
    const bySession = operation.access.kind === 'visitor-session' && operation.access.from === 'authorization';
    return bearer && !bySession && !this.isOpen(operation, actor) && operation.access.kind !== 'internal';
  }

  private async base(operation: Operation, actor: Actor, own: string): Promise<Sent> {
    const authorization = await actor.authorization();
    const body = this.body(operation, own);
    const headers: [string, string][] = [];
    if (authorization !== undefined) headers.push(['Authorization', authorization]);
    if (body) headers.push(['Content-Type', operation.body?.type ?? 'application/json']);
    const path = (await this.path(operation, own)) + uploadedAs(operation);
    return { method: operation.method, path, headers, ...(body && { body }) };
  }

  private body(operation: Operation, own: string): Buffer | undefined {
    // A browser sends no such type across origins unasked, so every POST has to have it.
    if (!operation.body) return operation.method === 'POST' ? Buffer.from('{}') : undefined;
    const text = (): Buffer => Buffer.from(this.world.canaries.text(own, 'a body'));
    // What comes after the end of a PNG is kept and means nothing.
    if (operation.body.type === UPLOAD) return Buffer.concat([PNG, text()]);
    if (operation.body.type !== 'application/json') return text();
    return encoded(this.json(operation, own));
  }

  private json(operation: Operation, own: string): unknown {
    return bodyFor(this.world, operation, own);
  }

  private async path(operation: Operation, own: string, given: Record<string, string> = {}): Promise<string> {
    let path = operation.path;
    for (const param of operation.pathParams) {
      const value = given[param] ?? (await this.ids.own(operation, param, own));
      path = path.replace(`{${param}}`, value);
    }
    return path;
  }

  private other(tenant: string): string {
    return TENANTS.find((one) => one !== tenant) ?? tenant;
  }
}

const UPLOAD = 'application/octet-stream';

/** What an upload has to be called by. */
function uploadedAs({ body, query }: Operation): string {
  if (body?.type !== UPLOAD) return '';
  const needed = query.filter(({ required }) => required).map(({ name }) => [name, `a-${name}.png`]);
  return needed.length > 0 ? `?${new URLSearchParams(needed as [string, string][]).toString()}` : '';
}

/** One that the operation takes, with canaries and rows of the tenant in it. */
export function bodyFor({ ids }: World, { body }: Operation, tenant: string): unknown {
  return bodyOf(body?.schema ?? {}, (name) => ids.written(name, tenant));
}

export function encoded(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
