import { createHmac } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { type DataSource, MoreThan } from 'typeorm';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { Outbox, OutboxHandlers } from '../../outbox/index.js';
import { INHERITED_SETTINGS, layersOf } from '../../settings/index.js';
import {
  InjectPlatformDataSource,
  InjectTenantRepository,
  type Tenant,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

const CHANGED = 'email-directory.update';
/** Users entered at once. */
const PAGE = 1000;
const ENTER_ALL = `INSERT INTO email_directory (email_hmac, tenant_id) SELECT unnest($1::bytea[]), $2
  ON CONFLICT DO NOTHING`;

const OF_ADDRESS = `SELECT t.slug, t.name, t.settings, ${INHERITED_SETTINGS} AS inherited FROM email_directory d JOIN tenants t ON t.id = d.tenant_id
        WHERE d.email_hmac = $1 AND t.status = 'active' ORDER BY t.name, t.slug`;

/** A tenant that an e-mail address is known to. */
export interface Membership {
  slug: string;
  name: string;
  settings: Tenant['settings'];
  inherited: Tenant['inherited'];
}

/**
 * Which tenants an e-mail address is known to. The control plane holds a keyed hash of it and no address; tenants' own
 * rows stay where they are, and tell of changes through their outbox.
 */
@Injectable()
export class EmailDirectory implements OnModuleInit {
  private readonly key: Buffer;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly outbox: Outbox,
    private readonly handlers: OutboxHandlers,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {
    this.key = database.keys.derive('email-directory');
  }

  onModuleInit(): void {
    this.handlers.register(CHANGED, ({ payload }) => this.update((payload as { email_key: string }).email_key));
  }

  /**
   * Call it in the transaction that creates, removes or renames a user of the current tenant, for the old address and
   * the new one.
   *
   * @param emailKeys of `emailKey`
   */
  async changed(...emailKeys: string[]): Promise<void> {
    for (const key of new Set(emailKeys)) await this.outbox.add(CHANGED, { email_key: key });
  }

  /** The tenants in service with a user of this address. Call it outside every tenant. */
  async tenantsOf(emailKey: string): Promise<Membership[]> {
    const rows = await this.platform.query<(Omit<Membership, 'inherited'> & { inherited: string })[]>(OF_ADDRESS, [
      this.hmac(emailKey),
    ]);
    return rows.map((row) => ({ ...row, inherited: layersOf(row.inherited) }));
  }

  /** Enters all users of the current tenant and nobody else: its rows came past this process. May be repeated. */
  async rebuild(): Promise<void> {
    const { id } = this.context.currentOrThrow('The directory of addresses');
    // First, so that none is lost who is entered meanwhile.
    await this.platform.query('DELETE FROM email_directory WHERE tenant_id = $1', [id]);
    for (let after: string | undefined; ;) {
      const page: Pick<User, 'id' | 'emailKey'>[] = await this.users.find({
        ...(after !== undefined && { where: { id: MoreThan(after) } }),
        select: { id: true, emailKey: true },
        order: { id: 'ASC' },
        take: PAGE,
      });
      const hmacs = page.map(({ emailKey }) => this.hmac(emailKey));
      await this.platform.query(ENTER_ALL, [hmacs, id]);
      if (page.length < PAGE) return;
      after = page.at(-1)!.id;
    }
  }

  hmac(emailKey: string): Buffer {
    return createHmac('sha256', this.key).update(emailKey).digest();
  }

  /**
   * Events come in no promised order, so the truth is read, under a lock that makes the last reader the last writer. It is
   * the tenant's transaction that holds it: one of the platform that waited for a tenant's connection could wait for
   * somebody who has that one and waits for the platform's.
   */
  private async update(emailKey: string): Promise<void> {
    const tenant = this.context.currentOrThrow('The directory of addresses');
    const hmac = this.hmac(emailKey);
    await this.transaction.run(async () => {
      await this.transaction.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `tenantry:email-directory:${tenant.id}:${hmac.toString('hex')}`,
      ]);
      const present = await this.users.exists({ emailKey });
      await this.platform.query(
        present
          ? 'INSERT INTO email_directory (email_hmac, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING'
          : 'DELETE FROM email_directory WHERE email_hmac = $1 AND tenant_id = $2',
        [hmac, tenant.id],
      );
    });
  }
}
