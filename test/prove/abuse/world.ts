import { randomBytes } from 'node:crypto';
import { newId } from '../../../src/common/index.js';
import { ROOT } from '../../kit/platform.js';
import type { TestDatabase } from '../../kit/test-database.js';
import type { Actor } from './attack.js';
import type { Operation } from './operations.js';
import type { Received, Wire } from './wire.js';

/** The password of everybody in a demo. */
const PASSWORD = 'demo-password';
/** Names of an item in a list, in the order of what a path would take. */
const NAMES = ['id', 'slug', 'name'];

interface Answer {
  status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies of every shape
  json: any;
}

/**
 * A tenant with people, and a platform admin, who are attacked and may be lost; what is lost is made anew. Nobody shares
 * an address, so that limits by address do not stand in for what is to be tried.
 */
export class World {
  /** The tenant whose people ask. */
  slug = '';
  /** What each actor sends as Authorization. */
  private readonly credentials: Partial<Record<Actor, string>> = {};
  /** A tenant that platform admins may do anything to. */
  private victim = '';
  private session = '';
  /** Of whoever signed in last, who need not be in anymore. */
  private email = '';
  private refreshToken = '';
  /** By the path of a list: what is in it. */
  private readonly known = new Map<string, string[]>();
  private root = '';
  private addresses = 0;
  private platformRows: unknown;
  /** Of the password of the demo, before anybody changed theirs. */
  private passwordHash: unknown;

  private constructor(
    private readonly wire: Wire,
    private readonly database: TestDatabase,
  ) {}

  static async open(wire: Wire, database: TestDatabase): Promise<World> {
    const world = new World(wire, database);
    world.platformRows = await world.rowsOfPlatform();
    const [owner] = await database.admin<{ password_hash: string }>(
      `SELECT password_hash FROM shared.users WHERE email_key = 'owner@globex.example'`,
    );
    world.passwordHash = owner?.password_hash;
    await world.mend();
    return world;
  }

  /** @param actor whose credential goes along */
  async ask(
    actor: Actor | 'root',
    method: string,
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const received = await this.wire.send({
      method,
      path,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(path.startsWith('/api/admin') ? {} : { 'x-tenant-id': this.slug }),
        ...this.headersOf(actor),
        ...more,
      },
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    });
    return { status: received.status, json: jsonOf(received) };
  }

  /** The headers by which a request is the actor's, from an address of its own. */
  headersOf(actor: Actor | 'root'): Record<string, string> {
    this.addresses += 1;
    const address = `10.${(this.addresses >> 16) & 255}.${(this.addresses >> 8) & 255}.${this.addresses & 255}`;
    const credential =
      actor === 'root' ? this.root : actor === 'nonsense' ? nonsense(this.addresses) : this.credentials[actor];
    return { 'x-forwarded-for': address, ...(credential ? { authorization: credential } : {}) };
  }

  /** What may stand at the place of a parameter in a path: things that are there. */
  namesFor(operation: Operation, segment: string): string[] {
    const before = operation.path.slice(0, operation.path.indexOf(segment) - 1);
    if (segment === '{session_id}') return [this.session];
    if (before === '/api/admin/tenants') return [this.victim];
    if (before === '/api/admin/plans') return ['free', 'basic'];
    return this.known.get(before) ?? [];
  }

  /** Values for fields and parameters of these names, of things that are there. */
  get values(): Partial<Record<string, string[]>> {
    return {
      tenant_id: [this.slug],
      tenant: [this.slug],
      confirm: [this.victim],
      session_id: [this.session],
      email: [this.email, `fresh-${randomBytes(4).toString('hex')}@abuse.example`],
      password: [PASSWORD],
      current_password: [PASSWORD],
      refresh_token: [this.refreshToken],
      user_id: this.known.get('/api/users') ?? [],
      slug: [`tried-${randomBytes(4).toString('hex')}`],
    };
  }

  /** Looks again at what the path of the operation leads past. */
  async look(operations: Operation[], operation: Operation): Promise<void> {
    for (const [segment] of operation.path.matchAll(/\{\w+\}/g)) {
      const list = operation.path.slice(0, operation.path.indexOf(segment) - 1);
      if (!operations.some(({ method, path }) => method === 'GET' && path === list)) continue;
      const actor = list.startsWith('/api/admin') ? 'platform' : 'owner';
      const { status, json } = await this.ask(
        actor,
        'GET',
        list.replace('{tenant}', this.victim).replace('{plan}', 'free'),
      );
      const items = (status === 200 ? (json.items ?? []) : []) as Record<string, unknown>[];
      const names = items.map((item) =>
        [segment.slice(1, -1), ...NAMES]
          .map((name) => item[name])
          .find((one): one is string => typeof one === 'string'),
      );
      this.known.set(
        list,
        names.filter((one) => one !== undefined),
      );
    }
  }

  /** Whether there is nothing at the end of the path of the operation. */
  lacks({ path }: Operation): boolean {
    const segments = path.split('/');
    const at = segments.findLastIndex((segment) => segment.startsWith('{'));
    return at > 0 && (this.known.get(segments.slice(0, at).join('/')) ?? []).length === 0;
  }

  /** Makes anew whoever and whatever the last requests have ended. */
  async mend(): Promise<void> {
    await this.restorePlatform();
    if (!(await this.isWhole('root'))) await this.signInRoot();
    if (this.slug === '' || !(await this.isActive(this.slug))) await this.found();
    for (const role of ['member', 'owner'] as const) if (!(await this.isWhole(role))) await this.hire(role);
    if (!(await this.isWhole('platform'))) await this.hirePlatformAdmin();
    if ((await this.ask('program', 'GET', '/api/branding')).status === 401 || !this.credentials.program)
      await this.issueKey();
    if ((await this.ask('visitor', 'GET', '/api/sessions/current')).status !== 200) await this.visit();
    if (this.victim === '' || !(await this.isActive(this.victim))) this.victim = await this.createTenant('victim');
    if (!this.credentials.stranger) this.credentials.stranger = await this.signIn('globex', 'owner@globex.example');
  }

  private async isWhole(actor: 'root' | 'member' | 'owner' | 'platform'): Promise<boolean> {
    const platform = actor === 'root' || actor === 'platform';
    if (!this.headersOf(actor)['authorization']) return false;
    const { status, json } = await this.ask(actor, 'GET', platform ? '/api/admin/auth/me' : '/api/auth/me');
    return status === 200 && (actor === 'root' || json.role === (actor === 'platform' ? 'admin' : actor));
  }

  private async isActive(slug: string): Promise<boolean> {
    const { status, json } = await this.ask('root', 'GET', `/api/admin/tenants/${slug}`);
    return status === 200 && json.status === 'active' && json.slug === slug;
  }

  private async signInRoot(): Promise<void> {
    const { status, json } = await this.ask('nobody', 'POST', '/api/admin/auth/login', ROOT);
    if (status !== 200) throw new Error(`The first admin cannot sign in: ${JSON.stringify(json)}`);
    this.root = `Bearer ${json.access_token}`;
  }

  private async found(): Promise<void> {
    this.slug = await this.createTenant('abused');
    for (const actor of ['member', 'owner', 'program', 'visitor'] as const) delete this.credentials[actor];
  }

  /** @returns the slug of a new tenant, once it is active */
  async createTenant(prefix: string): Promise<string> {
    const slug = `${prefix}-${randomBytes(4).toString('hex')}`;
    const body = {
      slug,
      name: slug,
      plan: 'unlimited',
      owner: { email: `owner@${slug}.example` },
      settings: { 'chat.public': true },
    };
    const created = await this.ask('root', 'POST', '/api/admin/tenants', body);
    if (created.status !== 201) throw new Error(`No tenant could be made: ${JSON.stringify(created.json)}`);
    for (
      const end = Date.now() + 60_000;
      !(await this.isActive(slug));
      await new Promise((done) => setTimeout(done, 20))
    ) {
      if (Date.now() > end) throw new Error(`${slug} did not become active.`);
    }
    return slug;
  }

  private async hire(role: 'member' | 'owner'): Promise<void> {
    this.credentials[role] = await this.newcomer(this.slug, role);
  }

  /**
   * A person with the password of the demo, without the mail by which people come otherwise.
   *
   * @returns what they send as Authorization
   */
  async newcomer(slug: string, role: 'member' | 'owner'): Promise<string> {
    const email = `${role}-${randomBytes(4).toString('hex')}@${slug}.example`;
    await this.database.admin(
      `INSERT INTO shared.users (tenant_id, id, email, email_key, name, role, password_hash)
       SELECT t.id, $1, $2, $2, 'Quinn', $3, $4 FROM platform.tenants t WHERE t.slug = $5`,
      [newId(), email, role, this.passwordHash, slug],
    );
    return this.signIn(slug, email);
  }

  private async signIn(tenant: string, email: string): Promise<string> {
    const { status, json } = await this.ask(
      'nobody',
      'POST',
      '/api/auth/login',
      { email, password: PASSWORD },
      { 'x-tenant-id': tenant },
    );
    if (status !== 200) throw new Error(`${email} cannot sign in: ${JSON.stringify(json)}`);
    if (tenant === this.slug) [this.email, this.refreshToken] = [email, json.refresh_token as string];
    return `Bearer ${json.access_token}`;
  }

  private async hirePlatformAdmin(): Promise<void> {
    const email = `admin-${randomBytes(4).toString('hex')}@platform.example`;
    await this.database.admin(
      `INSERT INTO platform.platform_admins (id, email, email_key, name, role, password_hash)
       SELECT $1, $2, $2, 'Sam', 'admin', password_hash FROM platform.platform_admins WHERE email_key = $3`,
      [newId(), email, ROOT.email],
    );
    const { status, json } = await this.ask('nobody', 'POST', '/api/admin/auth/login', {
      email,
      password: ROOT.password,
    });
    if (status !== 200) throw new Error(`A platform admin cannot sign in: ${JSON.stringify(json)}`);
    this.credentials.platform = `Bearer ${json.access_token}`;
  }

  private async issueKey(): Promise<void> {
    const body = { name: 'a program', permissions: ['session:read', 'session:write', 'user:read'] };
    const { json } = await this.ask('owner', 'POST', '/api/api-keys', body);
    this.credentials.program = `Bearer ${json.key}`;
  }

  private async visit(): Promise<void> {
    const { status, json } = await this.ask('nobody', 'POST', '/session', {});
    if (status !== 201) throw new Error(`No session could be opened: ${JSON.stringify(json)}`);
    this.session = json.session_id as string;
    this.credentials.visitor = `Session ${this.session}`;
  }

  /** What all tenants stand on: changed for good, it would be the reason for every later answer. */
  private async restorePlatform(): Promise<void> {
    if (JSON.stringify(await this.rowsOfPlatform()) === JSON.stringify(this.platformRows)) return;
    const { plans, settings, servers } = this.platformRows as Record<string, unknown>;
    await this.database.admin(
      `UPDATE platform.plans p SET settings = r.settings, trial_days = r.trial_days, archive_after_days = r.archive_after_days,
         purge_after_days = r.purge_after_days, roll_back_after_days = r.roll_back_after_days,
         reserved_connections = r.reserved_connections, reserved_workers = r.reserved_workers
         FROM jsonb_populate_recordset(NULL::platform.plans, $1::jsonb) r WHERE r.name = p.name`,
      [JSON.stringify(plans)],
    );
    await this.database.admin('UPDATE platform.platform_settings SET settings = $1', [JSON.stringify(settings)]);
    await this.database.admin(
      `UPDATE platform.servers s SET region = r.region, weight = r.weight, plans = r.plans
         FROM jsonb_populate_recordset(NULL::platform.servers, $1::jsonb) r WHERE r.name = s.name`,
      [JSON.stringify(servers)],
    );
    await this.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  }

  private async rowsOfPlatform(): Promise<unknown> {
    const [rows] = await this.database.admin(
      `SELECT (SELECT jsonb_agg(to_jsonb(p) - 'revision' - 'updated_at' ORDER BY name) FROM platform.plans p) AS plans,
              (SELECT settings FROM platform.platform_settings) AS settings,
              (SELECT jsonb_agg(jsonb_build_object('name', name, 'region', region, 'weight', weight, 'plans', plans) ORDER BY name)
                 FROM platform.servers WHERE name = 'default') AS servers`,
    );
    return rows;
  }
}

const NONSENSE = [
  'Bearer',
  'Bearer x',
  'Bearer eyJhbGciOiJub25lIn0.e30.',
  'Basic YTpi',
  'Session x',
  'Session ',
  `Bearer ${'x'.repeat(8000)}`,
  '\xff',
  'bearer null',
];
const nonsense = (n: number): string => NONSENSE[n % NONSENSE.length]!;

function jsonOf({ body }: Received): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return {};
  }
}
