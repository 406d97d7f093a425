import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { Readable } from 'node:stream';
import type { Access } from '../../src/auth/index.js';
import { newId, sha256 } from '../../src/common/index.js';
import { CredentialCodec } from '../../src/tenancy/index.js';
import { ARCHIVE_TYPE } from '../../src/tenant/index.js';
import { readArchive } from '../../src/tenant/archive/archive.format.js';
import { PNG } from '../kit/files.js';
import type { SignedIn } from '../kit/sign-in.js';
import { type Answer, createTestApp } from '../kit/test-app.js';
import { TestJobsModule } from '../kit/test-jobs.js';
import type { Subject, World } from './world.js';

const MAP = 'docs/generated/access-map.json';

/** Settings that name a server which would be asked at once, or that say what may be done here at all. */
const UNTOUCHED =
  /^(directory|sso|model|broker|cors|app|auth|support|limits|files|cache|audit|chat|fields|mail\.smtp_host)(\.|$)/;
/** What everybody may read who names the tenant. */
const OPEN = /^(branding\.|welcome$)/;

/** The audit log has it when somebody lists the sessions of a user, whoever's the id is, and shows it in these. */
const KEEPS_QUESTIONS = new Set(['/api/audit', '/api/tenant/exports', '/api/auth/me/data']);

/** The tenant whose credential was tried elsewhere is told by whom, by id, and where. */
const ATTEMPT = 'cross_tenant_access_attempt';

/** The application itself. */
export const MAIN: Subject = {
  name: 'tenantry',
  start: (env) => createTestApp(env, false, undefined, { modules: [TestJobsModule] }),
  proves: () => true,
  keyed: ['POST /session'],
  mutations: { shown: () => true, times: 1 },
  accessMap: () => JSON.parse(readFileSync(MAP, 'utf8')) as Record<string, Access>,
  fill: async (world, tenant) => {
    const owner = await world.owner(tenant);
    const fill = new Fill(world, tenant, owner);
    await fill.names();
    await fill.settings();
    await fill.people();
    await fill.keys();
    await fill.chats();
    await fill.files();
    await fill.domains();
    await fill.support();
    await fill.credentials();
  },
  keepsQuestions: ({ path }) => KEEPS_QUESTIONS.has(path),
  toldByDesign: (text) => {
    if (!text.includes(ATTEMPT)) return text;
    const page = parsed(text);
    if (page?.items)
      return JSON.stringify({ ...page, items: page.items.filter((item) => !JSON.stringify(item).includes(ATTEMPT)) });
    return text
      .split('\n')
      .filter((line) => !line.includes(ATTEMPT))
      .join('\n');
  },
  contents: async ({ headers, body }) => {
    if (!headers.some(([name, value]) => name.toLowerCase() === 'content-type' && value === ARCHIVE_TYPE)) return '';
    let text = '';
    for await (const part of readArchive(Readable.from([body]), undefined)) {
      if (part.kind === 'bytes') text += part.bytes.toString('latin1');
      else if (part.kind === 'rows') text += part.rows.map((row) => `\n${JSON.stringify(row)}`).join('');
      else text += `\n${JSON.stringify(part)}`;
    }
    return text;
  },
  hashes: [
    { column: 'tenant_files.sha256', open: false },
    { column: 'brand_logos.tag', open: true },
  ],
  noCanaryIn: {
    'api_keys.address_ranges': 'addresses of the network',
    'api_keys.hint': 'made by the product',
    'api_keys.permissions': 'words of the product',
    'audit_events.actor_id': 'an id, which is a canary by itself',
    'audit_events.impersonator_id': 'an id of the platform',
    'audit_events.impersonator_name': 'of the platform',
    'roles.permissions': 'words of the product',
    'api_keys.last_used_address': 'an address of the network',
    'audit_events.actor_kind': 'a word of the product',
    'audit_events.address': 'an address of the network',
    'audit_events.event': 'a word of the product',
    'audit_events.target_kind': 'a word of the product',
    'audit_events.request_id': 'made by the product',
    'brand_logos.media_type': 'a word of the product',
    'brand_logos.tag': 'a hash',
    'chat_messages.role': 'a word of the product',
    'chat_messages.model': 'a word of the product',
    'closures.place': 'made by the product',
    'devices.address': 'an address of the network',
    'external_identities.issuer': 'an address that the product has checked',
    'provisioning_marks.step': 'a word of the product',
    'sso_sign_ins.code_challenge': 'a hash',
    'tenant_files.media_type': 'a word of the product',
    'tenant_files.sha256': 'a hash',
    'tenant_files.state': 'a word of the product',
    'tenant_files.uploader_kind': 'a word of the product',
    'user_tokens.purpose': 'a word of the product',
    'user_tokens.first_factor': 'a word of the product',
    'users.password_hash': 'a hash',
    'users.status': 'a word of the product',
    'outbox_events.type': 'a word of the product',
    'outbox_events.last_error': 'made by the product',
  },
};

class Fill {
  private readonly text: (where: string, open?: boolean) => string;

  constructor(
    private readonly world: World,
    private readonly tenant: string,
    private readonly owner: SignedIn,
  ) {
    this.text = (where, open) => world.canaries.text(tenant, where, open);
  }

  private sql<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
    return this.world.t.database.admin<Row>(sql, values);
  }

  /** Of the tenant itself and of its demo users, whose addresses the kit signs in with. */
  async names(): Promise<void> {
    const { id } = await this.world.t.tenant(this.tenant);
    await this.sql('UPDATE platform.tenants SET name = $2 WHERE id = $1', [id, this.text('tenants.name', true)]);
    await this.sql(`SELECT pg_notify('tenantry_tenants', '')`);
    const users = await this.sql<{ id: string }>('SELECT id FROM everywhere.users WHERE tenant_id = $1', [id]);
    for (const user of users) {
      await this.sql('UPDATE everywhere.users SET name = $3 WHERE tenant_id = $1 AND id = $2', [
        id,
        user.id,
        this.text('users.name'),
      ]);
    }
  }

  /** Every setting that takes a text, by trying. */
  async settings(): Promise<void> {
    const { json } = await this.owner.get('/api/config');
    for (const { key, schema } of json.items as ListedSetting[]) {
      if (![schema?.type].flat().includes('string') || UNTOUCHED.test(key)) continue;
      const canary = this.text(`settings.${key}`, OPEN.test(key));
      for (const value of [canary, `${canary}@mail.example`, `https://${canary}.example/help`]) {
        const { status } = await this.owner.send('PUT', `/api/config/${key}`, { value });
        if (status === 200) break;
      }
    }
    const fields = {
      properties: {
        note: { type: 'string', title: this.text('fields.title') },
        number: { type: 'integer' },
      },
    };
    for (const key of ['fields.users', 'fields.sessions']) {
      must(await this.owner.send('PUT', `/api/config/${key}`, { value: fields }));
    }
  }

  private get customFields(): Record<string, unknown> {
    return {
      note: this.text('custom_fields.note'),
      number: this.world.canaries.number(this.tenant, 'custom_fields.number'),
    };
  }

  async people(): Promise<void> {
    const role = this.text('roles.name').slice(0, 63);
    must(
      await this.owner.send('POST', '/api/roles', {
        name: role,
        description: this.text('roles.description'),
        permissions: ['audit:read', 'user:read'],
      }),
    );
    for (const of of ['member', 'viewer', role]) {
      const body = {
        email: `${this.text('users.email')}@mail.example`,
        name: this.text('users.name'),
        role: of,
        custom_fields: this.customFields,
      };
      const made = must(await this.owner.send('POST', '/api/users', body));
      must(await this.owner.send('PATCH', `/api/users/${made.json.id}`, { name: this.text('users.name') }));
    }
    for (const of of ['viewer', role]) {
      must(await this.owner.send('POST', '/api/invitations', { email: this.address('invitations.email'), role: of }));
    }
  }

  private address(where: string): string {
    return `${this.text(where)}@mail.example`;
  }

  async keys(): Promise<void> {
    for (let n = 0; n < 2; n += 1) {
      const body = { name: this.text('api_keys.name'), permissions: ['session:read'] };
      must(await this.owner.send('POST', '/api/api-keys', body));
    }
  }

  /** Of a visitor and of the owner, so that both ways of reading them have something. */
  async chats(): Promise<void> {
    const { t } = this.world;
    const headers = { 'x-tenant-id': this.tenant };
    const visitor = must(await t.request('POST', '/session', { headers, body: { custom_fields: this.customFields } }));
    const own = must(await this.owner.send('POST', '/session', { custom_fields: this.customFields }));
    const credential = visitor.json.session_id as string;
    this.world.credentials.get(this.tenant)?.set('session', credential);
    for (let n = 0; n < 2; n += 1) {
      const message = (): string => this.text('chat_messages.content');
      must(await t.request('POST', '/chat', { headers, body: { session_id: credential, message: message() } }));
      must(await this.owner.send('POST', '/chat', { session_id: own.json.session_id, message: message() }));
    }
  }

  async files(): Promise<void> {
    for (let n = 0; n < 2; n += 1) {
      const name = `${this.text('tenant_files.name')}.txt`;
      const headers = { ...this.owner.headers, 'content-type': 'application/octet-stream' };
      const body = Buffer.from(`${this.text('a file')}\n`);
      must(await this.world.t.request('POST', `/api/files?name=${name}`, { headers, body }));
    }
    // What comes after the end of a PNG is kept and means nothing.
    const body = Buffer.concat([PNG, Buffer.from(this.text('brand_logos.content', true))]);
    const headers = { ...this.owner.headers, 'content-type': 'image/png' };
    must(await this.world.t.request('PUT', '/api/branding/logo', { headers, body }));
  }

  async domains(): Promise<void> {
    const domain = `${this.text('tenant_domains.domain')}.example.com`;
    must(await this.owner.send('POST', '/api/domains', { domain }));
  }

  /** A platform admin asks to act as the owner. */
  async support(): Promise<void> {
    const { id } = await this.world.t.tenant(this.tenant);
    const admin = newId();
    await this.sql(
      `INSERT INTO platform.platform_admins (id, email, email_key, name, role) VALUES ($1, $2, $2, 'Support', 'support')`,
      [admin, `${admin}@platform.example`],
    );
    const user = await this.userId('owner');
    await this.sql(
      `INSERT INTO platform.impersonations (id, admin_id, tenant_id, user_id, reason, status, minutes, expires_at)
       VALUES ($1, $2, $3, $4, $5, 'pending', 30, now() + interval '1 hour')`,
      [newId(), admin, id, user, this.text('impersonations.reason')],
    );
  }

  /** Those that mails carry, made as the product makes them. */
  async credentials(): Promise<void> {
    const { t, credentials } = this.world;
    const { id: tenantId } = await t.tenant(this.tenant);
    const codec = t.app.get(CredentialCodec);
    const own = credentials.get(this.tenant);
    const userId = await this.userId('viewer');
    for (const purpose of ['reset-password', 'verify-email', 'mfa'] as const) {
      const id = newId();
      const token = codec.mint(purpose, tenantId, id);
      await this.sql(
        `INSERT INTO everywhere.user_tokens (tenant_id, id, user_id, purpose, token_hash, email, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, now() + interval '1 hour')`,
        [tenantId, id, userId, purpose, sha256(token), this.address('user_tokens.email')],
      );
      own?.set(purpose, token);
    }
    const id = newId();
    const token = codec.mint('invitation', tenantId, id);
    const email = this.address('invitations.email');
    await this.sql(
      `INSERT INTO everywhere.invitations (tenant_id, id, email, email_key, role, token_hash, expires_at)
       VALUES ($1, $2, $3, $3, 'viewer', $4, now() + interval '1 hour')`,
      [tenantId, id, email, sha256(token)],
    );
    own?.set('invitation', token);
    const signedIn = must(
      await t.request('POST', '/api/auth/login', {
        headers: { 'x-tenant-id': this.tenant, 'user-agent': this.text('devices.name') },
        body: { email: `member@${this.tenant}.example`, password: 'demo-password' },
      }),
    );
    own?.set('refresh', signedIn.json.refresh_token as string);
    await this.sql(
      `INSERT INTO everywhere.external_identities (tenant_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, 'https://idp.example', $4)`,
      [tenantId, newId(), userId, this.text('external_identities.subject')],
    );
    await this.sql('UPDATE everywhere.users SET pending_email = $3 WHERE tenant_id = $1 AND id = $2', [
      tenantId,
      userId,
      this.address('users.pending_email'),
    ]);
    const files = must(await this.owner.get('/api/files')).json.items as { id: string }[];
    const link = must(await this.owner.send('POST', `/api/files/${files[0]?.id}/url`, { expires_in: 3600 }));
    own?.set('file-link-id', files[0]?.id ?? '');
    own?.set('file-link', new URL(link.json.url as string).search.slice(1));
  }

  private async userId(role: string): Promise<string> {
    const rows = await this.sql<{ id: string }>(
      `SELECT u.id FROM everywhere.users u JOIN platform.tenants t ON t.id = u.tenant_id
        WHERE t.slug = $1 AND u.email_key = $2`,
      [this.tenant, `${role}@${this.tenant}.example`],
    );
    return rows[0]?.id ?? '';
  }
}

interface ListedSetting {
  key: string;
  schema?: { type?: string | string[] };
}

function parsed(text: string): { items?: unknown[] } | undefined {
  try {
    return JSON.parse(text) as { items?: unknown[] };
  } catch {
    return undefined;
  }
}

/** @throws Error when the application refuses what a tenant is filled with */
export function must(answer: Answer): Answer {
  if (answer.status >= 300) throw new Error(`A tenant could not be filled: ${answer.status} ${answer.text}`);
  return answer;
}
