import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { TenantCache } from '../../src/cache/index.js';
import { ChangeFeed } from '../../src/changes/index.js';
import { JobEnvelopes } from '../../src/jobs/job.envelope.js';
import { MetricsService } from '../../src/metrics/index.js';
import { OutboxSeal } from '../../src/outbox/outbox.seal.js';
import type { ReceivedMail } from '../kit/test-smtp.js';
import type { Found } from './canaries.js';
import type { Leak, Prober } from './prober.js';
import { everywhere, tablesOf, TENANTS, type World } from './world.js';

interface Payload {
  tenantId: string | undefined;
  what: string;
  text: string;
}

/** As much as is read of a line of the log. */
interface Line {
  tenant?: string;
  tenant_id?: string;
  path?: string;
  request_id?: string;
  actor?: { id?: string };
}

/** Where data of tenants may come out besides answers. */
export class Sinks {
  private readonly payloads: Payload[] = [];
  private readonly heard: { channel: string; payload: string }[] = [];
  private readonly undo: (() => unknown)[] = [];
  private ear: pg.Client | undefined;
  /** Tenants by id and by slug, those that a tenant holds under its name. */
  private readonly slugs = new Map<string, string>();
  private linesSeen: number;
  private mailsSeen: number;

  private constructor(private readonly world: World) {
    this.linesSeen = world.t.logs.length;
    this.mailsSeen = world.smtp.mails.length;
  }

  /** Begins to listen: what is sealed for the outbox or the job engine is read on its way, and what NOTIFY tells. */
  static async listen(world: World): Promise<Sinks> {
    const sinks = new Sinks(world);
    await sinks.identify();
    await sinks.hear();
    const { payloads } = sinks;
    sinks.watch(OutboxSeal.prototype, 'seal', (tenantId, _id, text) => {
      payloads.push({ tenantId: tenantId as string, what: 'an event in the outbox', text: text as string });
    });
    sinks.watch(JobEnvelopes.prototype, 'wrap', (tenantId, name, _id, _event, payload) => {
      const what = `the payload of a job ${name as string}`;
      payloads.push({ tenantId: tenantId as string | undefined, what, text: JSON.stringify(payload ?? null) });
    });
    return sinks;
  }

  async stop(): Promise<void> {
    for (const undo of this.undo.splice(0)) await undo();
  }

  /** A copy is its holder's, whatever it is called. */
  private async identify(): Promise<void> {
    const rows = await this.world.t.database.admin<{ id: string; slug: string; owner: string }>(HELD, [TENANTS]);
    for (const { id, slug, owner } of rows) this.slugs.set(id, owner).set(slug, owner);
  }

  /** On every channel of the application, as any role can that may enter the database. */
  private async hear(): Promise<void> {
    const client = new pg.Client({ connectionString: this.world.t.database.adminUrl });
    // Whoever ends connections of the run ends this one as well.
    client.on('error', () => undefined);
    await client.connect();
    this.ear = client;
    this.undo.push(() => client.end());
    client.on('notification', ({ channel, payload = '' }) => this.heard.push({ channel, payload }));
    const feed: unknown = this.world.t.app.get(ChangeFeed);
    const { listeners } = feed as { listeners: Map<string, unknown> };
    for (const channel of listeners.keys()) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
  }

  /** Everything that came out since the last time. @param prober who sent the requests that the log tells of */
  async leaks(prober: Prober): Promise<Leak[]> {
    await this.identify();
    // What was told by now comes before the answer.
    await this.ear?.query('SELECT 1');
    return [
      ...this.inLogs(prober),
      ...(await this.inMetrics()),
      ...this.inPayloads(),
      ...this.inNotifications(),
      ...this.inMails(),
      ...this.untold([
        ...this.inCache(),
        ...(await this.inJobs()),
        ...(await this.inRows()),
        ...(await this.misplaced()),
        ...(await this.inFiles()),
      ]),
    ];
  }

  /** Of what lasts, what was not there when it was searched before. */
  private untold(leaks: Leak[]): Leak[] {
    return leaks.filter(({ from, what }) => {
      const key = `${from} ${what}`;
      if (this.world.told.has(key)) return false;
      this.world.told.add(key);
      return true;
    });
  }

  /** A line of a request is of the tenant that was named; what its path holds, the caller put there. */
  private inLogs(prober: Prober): Leak[] {
    const lines = this.world.t.logs.slice(this.linesSeen);
    this.linesSeen = this.world.t.logs.length;
    return lines.flatMap((line) => {
      const { tenant, tenant_id: id, path: route = '', request_id: requestId, actor } = JSON.parse(line) as Line;
      const curl = prober.curlOf(requestId);
      const named = tenant === undefined ? undefined : (this.slugs.get(tenant) ?? tenant);
      const owner = named ?? this.slugs.get(id ?? '') ?? this.world.canaries.of(actor?.id ?? '')?.tenant;
      const given = decodeURIComponent(route.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')).toLowerCase();
      const aliens = this.aliens(this.world.subject.toldByDesign(line), owner).filter(
        ({ value, open }) => !given.includes(value) && !(open && !owner),
      );
      return aliens.map((found) => ({
        ...leak('the log', found, `in a line of ${owner ?? 'nobody'}: ${line.trim().slice(0, 300)}`),
        ...(curl && { curl }),
      }));
    });
  }

  /** Labels are of the product; nothing that a tenant wrote, and no id, is one. */
  private async inMetrics(): Promise<Leak[]> {
    const text = await this.world.t.app.get(MetricsService).registry.metrics();
    return this.world.canaries.in(text).map((found) => leak('metrics', found, 'as a label or value'));
  }

  private inPayloads(): Leak[] {
    return this.payloads.splice(0).flatMap(({ tenantId, what, text }) => {
      const owner = this.slugs.get(tenantId ?? '');
      return this.aliens(text, owner)
        .filter(({ open }) => owner !== undefined || !open)
        .map((found) => leak(what, found, `of ${owner ?? 'nobody'}`));
    });
  }

  /** A key is of one tenant and names rows by their ids; host names are as public as the DNS. */
  private inNotifications(): Leak[] {
    return this.heard.splice(0).flatMap(({ channel, payload }) =>
      payload.split(',').flatMap((key) => {
        const found = this.world.canaries.in(key);
        const texts = found.filter(({ value, where, open }) => {
          return value.startsWith('cnry-') && !open && where !== 'tenant_domains.domain';
        });
        const owners = new Set(found.map(({ tenant }) => tenant));
        const all = owners.size > 1 ? found : texts;
        return all.map((one) => leak('a notification', one, `on ${channel} with ${key}`));
      }),
    );
  }

  private inCache(): Leak[] {
    const cache: unknown = this.world.t.app.get(TenantCache);
    const { store } = cache as { store: { tenants: Map<string, { entries: Map<string, { text: string }> }> } };
    return [...store.tenants].flatMap(([tenantId, { entries }]) =>
      [...entries].flatMap(([key, { text }]) =>
        this.aliens(`${key}\n${text}`, this.slugs.get(tenantId)).map((found) =>
          leak('the cache', found, `under ${key}`),
        ),
      ),
    );
  }

  private inMails(): Leak[] {
    const mails = this.world.smtp.mails.slice(this.mailsSeen);
    this.mailsSeen = this.world.smtp.mails.length;
    return mails.flatMap((mail) => {
      const owner = this.ownerOf(mail);
      const pictures = mail.attachments.map(({ content }) => Buffer.from(content as ArrayBuffer).toString('latin1'));
      const text = [mail.raw, mail.subject, mail.text, mail.html, ...pictures].join('\n');
      return this.aliens(text, owner).map((found) =>
        leak('a mail', found, `to ${mail.envelope.to.join()}, ${mail.subject}`),
      );
    });
  }

  private ownerOf({ envelope }: ReceivedMail): string | undefined {
    const [address = ''] = envelope.to;
    const [canary] = this.world.canaries.in(address);
    return canary?.tenant ?? TENANTS.find((tenant) => address.includes(`@${tenant}.`));
  }

  /** As the job engine keeps them: sealed, in the name of one tenant. */
  private async inJobs(): Promise<Leak[]> {
    const rows = await this.world.t.database.admin<{ id: string; name: string; owner: string | null; text: string }>(
      `SELECT id, name, group_id AS owner, to_jsonb(j)::text AS text FROM jobs.job j`,
    );
    return rows.flatMap(({ name, owner, text }) =>
      this.aliens(text, this.slugs.get(owner ?? ''))
        .filter(({ open }) => owner !== null || !open)
        .map((found) => leak(`a row of the job engine, ${name}`, found, `of ${owner}`)),
    );
  }

  /** No row of a tenant holds what another wrote, wherever it is kept. */
  private async inRows(): Promise<Leak[]> {
    const tables = (await tablesOf(this.world)).map(
      ({ name }) => `SELECT '${name}' AS table, tenant_id, to_jsonb(r)::text AS text FROM ${name} r`,
    );
    const rows = await this.world.t.database.admin<{ table: string; tenant_id: string; text: string }>(
      [...tables, REGISTERED].join(' UNION ALL '),
    );
    return rows.flatMap(({ table, tenant_id: tenantId, text }) => {
      const owner = this.slugs.get(tenantId);
      if (owner === undefined) return [];
      // Of an id in a log or a list, whoever asked may have put it there; a text is always somebody's.
      const aliens = this.aliens(this.world.subject.toldByDesign(text), owner).filter(({ value }) =>
        value.startsWith('cnry-'),
      );
      // Of two copies of one tenant, both may be wrong.
      return aliens.map((found) => leak(`a row of ${table}`, found, `of ${owner} (${tenantId})`));
    });
  }

  /** Where tenants have places of their own, each has its rows there and nowhere else. */
  private async misplaced(): Promise<Leak[]> {
    const schema = everywhere(this.world);
    if (schema === 'shared') return [];
    const tables = (await tablesOf(this.world)).filter(({ name }) => name.startsWith(`${schema}.`));
    const rows = await this.world.t.database.admin<{ table: string; place: string; slug: string; n: number }>(
      `SELECT r.table, c.relnamespace::regnamespace::text AS place, t.slug, r.n
         FROM (${tables.map(({ name }) => `SELECT '${name}' AS table, tableoid, tenant_id, count(*)::int AS n FROM ${name} GROUP BY 2, 3`).join(' UNION ALL ')}) r
         JOIN pg_class c ON c.oid = r.tableoid JOIN platform.tenants t ON t.id = r.tenant_id
        WHERE c.relnamespace::regnamespace::text <> everywhere.home(t.id)`,
    );
    return rows.map(({ table, place, slug, n }) => ({
      from: 'a place',
      what: `${place} holds ${n} rows of ${slug} in ${table}, who lives elsewhere`,
    }));
  }

  private async inFiles(): Promise<Leak[]> {
    const { filesDir } = this.world.t.database.env;
    if (filesDir === undefined) return [];
    const root = path.join(filesDir, 't');
    const names = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const leaks: Leak[] = [];
    for (const entry of names) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const owner = [...this.slugs].find(([id]) => file.includes(id))?.[1];
      const text = (await readFile(file)).toString('latin1');
      leaks.push(...this.aliens(text, owner).map((found) => leak('a file in the store', found, `of ${owner}`)));
    }
    return leaks;
  }

  private aliens(text: string, owner: string | undefined): Found[] {
    return this.world.canaries.in(text).filter(({ tenant }) => tenant !== owner);
  }

  private watch<T extends object>(prototype: T, name: keyof T & string, see: (...args: unknown[]) => void): void {
    const holder = prototype as Record<string, (...args: unknown[]) => unknown>;
    const original = holder[name]!;
    holder[name] = function (this: unknown, ...args) {
      see(...args);
      return original.apply(this, args);
    };
    this.undo.push(() => (holder[name] = original));
  }
}

const HELD = `SELECT t.id, t.slug, coalesce(h.slug, t.slug) AS owner
   FROM platform.tenants t LEFT JOIN platform.tenants h ON h.id = t.holder_tenant_id
  WHERE t.slug = ANY ($1) OR h.slug = ANY ($1)`;
/** What the registry has of a tenant, its settings among it. */
const REGISTERED = `SELECT 'platform.tenants' AS table, id AS tenant_id, to_jsonb(t)::text AS text FROM platform.tenants t`;

function leak(from: string, { value, where, tenant }: Found, detail: string): Leak {
  return { from, what: `${value}, ${where} of ${tenant}, ${detail}` };
}

/** Columns that reading alone may change. */
const PASSING = ['last_used_at', 'last_used_address', 'last_active_at', 'last_seen_at', 'touched_at', 'mfa_last_step'];
/** Tables that attempts and their refusals are written to. */
const WRITTEN_BY_READING = /\.(audit_events|outbox_events|idempotency_keys|changes|history|setting_changes)$/;

export type Fingerprints = Map<string, string>;

/** A hash of all rows of each tenant in each table, without what reading changes. */
export async function fingerprints(world: World): Promise<Fingerprints> {
  const tables = (await tablesOf(world)).map(({ name }) => name);
  const looked = tables.filter((name) => !WRITTEN_BY_READING.test(name) && name.startsWith(`${everywhere(world)}.`));
  const rows = await world.t.database.admin<{ table: string; slug: string; hash: string }>(
    `SELECT r.table, t.slug, md5(string_agg(r.text, ',' ORDER BY r.text)) AS hash
       FROM (${looked.map((name) => `SELECT '${name}' AS table, tenant_id, (to_jsonb(x) - $1::text[])::text AS text FROM ${name} x`).join(' UNION ALL ')}) r
       JOIN platform.tenants t ON t.id = r.tenant_id GROUP BY r.table, t.slug`,
    [PASSING],
  );
  return new Map(rows.map(({ table, slug, hash }) => [`${table} of ${slug}`, hash]));
}

/** Rows that have changed although everybody was to be refused. */
export function changed(before: Fingerprints, after: Fingerprints): Leak[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => ({
      from: 'the database',
      what: `rows in ${key} have changed although every write was to be refused`,
    }));
}
