import { bearer } from '../kit/sign-in.js';
import type { Operation, Schema } from './operations.js';
import { TENANTS, type World } from './world.js';

/** How many rows of each kind are tried. */
const EACH = 2;

/** Values by which rows of a tenant are named, found by asking the lists of the application as its owner. */
export class Identifiers {
  private readonly lists = new Map<string, Promise<{ values: string[]; cursor?: string }>>();
  private readonly fillers = new Map<string, string>();

  constructor(private readonly world: Omit<World, 'ids'>) {}

  /** Asks every list that there is. */
  async learn(): Promise<void> {
    for (const operation of this.world.operations) {
      for (const tenant of TENANTS) {
        for (const param of operation.pathParams) await this.list(operation, param, tenant);
        if (operation.query.some(({ name }) => name === 'cursor')) await this.cursor(operation, tenant);
      }
    }
  }

  /** The same once more: a mutation may have changed what lists give out. */
  async learnAgain(): Promise<void> {
    this.lists.clear();
    await this.learn();
  }

  /** Of a row of the tenant itself, or what the document gives as an example. */
  async own(operation: Operation, param: string, tenant: string): Promise<string> {
    if (param === 'tenant') return tenant;
    const { values } = await this.list(operation, param, tenant);
    return (
      values[0] ?? operation.words[param] ?? this.known(param) ?? this.nobodys(`${operation.path} ${param} ${tenant}`)
    );
  }

  /** The same whenever it is asked for, so that a probe and its twin differ by one value alone. */
  private nobodys(key: string): string {
    const known = this.fillers.get(key) ?? this.world.random.uuid();
    this.fillers.set(key, known);
    return known;
  }

  /** Of rows of another tenant that the own one has none of the same name of. */
  async foreign(operation: Operation, param: string, own: string, foreign: string): Promise<string[]> {
    const [theirs, ours] = await Promise.all([this.list(operation, param, foreign), this.list(operation, param, own)]);
    const names = new Set(ours.values);
    const values = theirs.values.filter((value) => !names.has(value));
    return values.slice(0, EACH);
  }

  async cursor(operation: Operation, tenant: string): Promise<string | undefined> {
    return (await this.list({ ...operation, path: `${operation.path}/{id}` }, 'id', tenant)).cursor;
  }

  /** Ids and texts of the tenant, one of each kind. */
  values(tenant: string): string[] {
    const kinds = new Map<string, string>();
    for (const [value, canary] of this.world.canaries.entries()) {
      if (canary.tenant === tenant && !canary.open && FILTERED.test(canary.where)) kinds.set(canary.where, value);
    }
    return [...kinds.values()];
  }

  /** What a property of a body may be given that belongs to another tenant. */
  forBody(name: string, schema: Schema, tenant: string): string[] {
    const credentials = this.world.credentials.get(tenant);
    if (/token|code/.test(name)) {
      const fits = [...(credentials ?? [])].filter(([purpose]) => purpose !== 'file-link' && purpose !== 'session');
      return fits.map(([, value]) => value);
    }
    // An authentic session of another tenant is answered otherwise than an unknown one; see docs/isolation.md.
    if (name === 'session_id') return [];
    if (schema.format === 'email') return [`owner@${tenant}.example`];
    const some = this.values(tenant).filter((value) => /^[0-9a-f-]{36}$/.test(value));
    return [...new Set([...this.rows(name, tenant).slice(0, EACH - 1), ...some])].slice(0, EACH);
  }

  /** Ids of the rows that a property such as `owner_id` may lead to. */
  rows(name: string, tenant: string): string[] {
    const kind = /^(\w+)_id$/.exec(name)?.[1];
    if (kind === undefined || kind === 'tenant') return [];
    const held = new RegExp(`(^|\\.)${kind}s\\.id$`);
    const ids: string[] = [];
    for (const [value, canary] of this.world.canaries.entries()) {
      if (canary.tenant === tenant && held.test(canary.where)) ids.push(value);
    }
    return ids;
  }

  /** Of the same shape, and nobody's. */
  unknownLike(value: string): string {
    const { random } = this.world;
    if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value)) return random.uuid();
    if (value.includes('@')) return `nobody-${random.hex(8)}${value.slice(value.indexOf('@'))}`;
    // Another end: of a canary, of the MAC of a credential or cursor.
    const end = value.endsWith('z') ? `${random.hex(12)}z` : random.hex(13);
    return value.length > 13 ? value.slice(0, -end.length) + end : `no-such-${random.hex(6)}`;
  }

  /** What is written under a name, so that it can be found again. */
  written(name: string, tenant: string): unknown {
    const { canaries } = this.world;
    if (name === 'email') return `${canaries.text(tenant, 'written.email')}@mail.example`;
    if (/^(name|description|message|reason|title)$/.test(name))
      return canaries.text(tenant, `written.${name}`).slice(0, 63);
    return this.rows(name, tenant)[0];
  }

  private known(param: string): string | undefined {
    return { key: 'welcome', plan: 'free', server: 'default' }[param];
  }

  /** What the list above a path says that there is. */
  private list(operation: Operation, param: string, tenant: string): Promise<{ values: string[]; cursor?: string }> {
    const parent = operation.path.slice(0, operation.path.lastIndexOf(`/{${param}}`));
    const key = `${tenant} ${parent} ${param}`;
    let found = this.lists.get(key);
    if (!found) this.lists.set(key, (found = this.ask(parent, param, tenant)));
    return found;
  }

  private async ask(parent: string, param: string, tenant: string): Promise<{ values: string[]; cursor?: string }> {
    const none = { values: [] };
    const list = this.world.operations.find(({ method, path }) => method === 'GET' && path === parent);
    if (!list || list.access.kind.startsWith('platform')) return none;
    let path = parent;
    for (const above of list.pathParams) path = path.replace(`{${above}}`, await this.own(list, above, tenant));
    const { headers } = await this.world.owner(tenant);
    const owner = bearer(this.world.t, tenant, headers['authorization']?.slice('Bearer '.length) ?? '');
    const all = list.query.some(({ name }) => name === 'all') ? '?all=true' : '';
    const answer = await owner.get(path + all);
    if (answer.status !== 200) return none;
    const { items } = answer.json as { items?: Record<string, unknown>[] };
    const named = (item: Record<string, unknown>): unknown => item[param] ?? item['id'] ?? item['name'];
    // The people of the kit act in other probes: what is done to a row is done to another.
    const others = (items ?? []).filter((item) => !JSON.stringify(item).includes(`@${tenant}.example`));
    const values = (others.length > 0 ? others : (items ?? [])).map(named).filter((value) => typeof value === 'string');
    if (!list.query.some(({ name }) => name === 'cursor')) return { values };
    const first = await owner.get(`${path}?limit=1`);
    const cursor = first.status === 200 ? (first.json as { next_cursor?: string | null }).next_cursor : undefined;
    return { values, ...(cursor && { cursor }) };
  }
}

/** Kinds of values that filters of lists are tried with. */
const FILTERED = /(users\.id|chat_sessions\.id|users-?\.?name|users\.email|custom_fields\.note|pets\.name)$/;
