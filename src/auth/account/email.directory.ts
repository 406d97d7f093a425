import { createHmac } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { Outbox, OutboxHandlers } from '../../outbox/index.js';
import {
  InjectPlatformDataSource,
  InjectTenantRepository,
  type Tenant,
  TenantContext,
  type TenantRepository,
  TenantRunner,
} from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

const CHANGED = 'email-directory.update';

/** A tenant that an e-mail address is known to. */
export interface Membership {
  slug: string;
  name: string;
  settings: Tenant['settings'];
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
    private readonly runner: TenantRunner,
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
  tenantsOf(emailKey: string): Promise<Membership[]> {
    return this.platform.query<Membership[]>(
      `SELECT t.slug, t.name, t.settings FROM email_directory d JOIN tenants t ON t.id = d.tenant_id
        WHERE d.email_hmac = $1 AND t.status = 'active' ORDER BY t.name, t.slug`,
      [this.hmac(emailKey)],
    );
  }

  hmac(emailKey: string): Buffer {
    return createHmac('sha256', this.key).update(emailKey).digest();
  }

  /** Events come in no promised order, so the truth is read, under a lock that makes the last reader the last writer. */
  private async update(emailKey: string): Promise<void> {
    const tenant = this.context.currentOrThrow('The directory of addresses');
    const hmac = this.hmac(emailKey);
    await this.platform.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `tenantry:email-directory:${tenant.id}:${hmac.toString('hex')}`,
      ]);
      const present = await this.runner.run(tenant, () => this.users.exists({ emailKey }));
      await manager.query(
        present
          ? 'INSERT INTO email_directory (email_hmac, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING'
          : 'DELETE FROM email_directory WHERE email_hmac = $1 AND tenant_id = $2',
        [hmac, tenant.id],
      );
    });
  }
}
