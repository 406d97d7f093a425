import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit, TenantAudit } from '../../audit/index.js';
import { isUuid } from '../../common/index.js';
import { settingOf } from '../../settings/index.js';
import {
  InjectTenantRepository,
  type Tenant,
  TenantContext,
  TenantDirectory,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
  UnknownTenant,
} from '../../tenancy/index.js';
import type { PlatformPrincipal } from '../access/principal.js';
import { SUPPORT_IMPERSONATION } from '../auth.settings.js';
import { AccessTokens } from '../tokens/access-tokens.js';
import { User } from '../users/user.entity.js';
import { ImpersonationNotices } from './impersonation.notices.js';
import { type ImpersonationRow, ImpersonationStore } from './impersonation.store.js';
import {
  ImpersonatedUserNotFound,
  ImpersonationNotFound,
  ImpersonationOver,
  ImpersonationPending,
  ImpersonationRefused,
} from './platform.errors.js';

export interface ImpersonationOrder {
  /** Slug. */
  tenant: string;
  userId: string;
  reason: string;
  minutes: number;
}

export interface GivenToken {
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
}

/**
 * Platform admins who act as a user of a tenant. Each step is one transaction of the control plane with one of the
 * tenant inside it: if the outer one fails after the inner has committed, the tenant's log tells of something that did
 * not come to be, and never the reverse. Always nested this way round, so that neither pool waits for the other.
 */
@Injectable()
export class ImpersonationService {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly store: ImpersonationStore,
    private readonly notices: ImpersonationNotices,
    private readonly tokens: AccessTokens,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly platformAudit: PlatformAudit,
    private readonly tenantAudit: TenantAudit,
  ) {}

  /**
   * Starts one, or asks the tenant for its consent where it wants to be asked.
   *
   * @throws UnknownTenant, ImpersonatedUserNotFound, ImpersonationRefused
   */
  async start(
    admin: PlatformPrincipal,
    order: ImpersonationOrder,
  ): Promise<{ row: ImpersonationRow; token?: GivenToken }> {
    const tenant = await this.directory.findBySlug(order.tenant);
    if (tenant?.status !== 'active') throw new UnknownTenant();
    const rule = settingOf(tenant, SUPPORT_IMPERSONATION);
    if (rule === 'never') throw new ImpersonationRefused();
    const user = await this.activeUser(tenant, order.userId);
    const row = await this.store.transaction(async (manager) => {
      const { reason, minutes } = order;
      const values = { admin_id: admin.id, tenant_id: tenant.id, user_id: user.id, reason, minutes };
      const id = await this.store.insert(values, manager);
      if (rule === 'allowed') await this.store.activate(id, undefined, manager);
      const made = (await this.store.locked(id, manager)) as ImpersonationRow;
      await this.record(
        rule === 'allowed' ? 'impersonation.started' : 'impersonation.requested',
        made,
        tenant,
        manager,
        () =>
          rule === 'allowed' ? this.notices.started(tenant, made, user) : this.notices.requested(tenant, made, user),
      );
      return made;
    });
    return rule === 'allowed' ? { row, token: this.sign(admin, row, user) } : { row };
  }

  /**
   * The token of one that is in force, for who started it.
   *
   * @throws ImpersonationNotFound, ImpersonationPending, ImpersonationOver, ImpersonatedUserNotFound
   */
  async token(admin: PlatformPrincipal, id: string): Promise<GivenToken> {
    const row = await this.find(id);
    if (row.admin_id !== admin.id) throw new ImpersonationNotFound();
    if (row.status === 'pending') throw new ImpersonationPending();
    const tenant = row.status === 'active' ? await this.directory.findById(row.tenant_id) : undefined;
    if (tenant?.status !== 'active') throw new ImpersonationOver();
    return this.sign(admin, row, await this.activeUser(tenant, row.user_id));
  }

  /** The current tenant agrees. @throws ImpersonationNotFound, ImpersonationOver */
  async approve(userId: string, id: string): Promise<ImpersonationRow> {
    const tenant = this.context.currentOrThrow('Consent');
    const row = await this.findOf(tenant, id);
    const user = await this.activeUser(tenant, row.user_id);
    return this.decide(tenant, id, async (manager) => {
      await this.store.activate(id, userId, manager);
      const started = (await this.store.locked(id, manager)) as ImpersonationRow;
      await this.record('impersonation.started', started, tenant, manager, () =>
        this.notices.started(tenant, started, user),
      );
      return started;
    });
  }

  /** The current tenant does not agree. @throws ImpersonationNotFound, ImpersonationOver */
  async refuse(userId: string, id: string): Promise<ImpersonationRow> {
    const tenant = this.context.currentOrThrow('Consent');
    await this.findOf(tenant, id);
    return this.decide(tenant, id, async (manager) => {
      await this.store.refuse(id, userId, manager);
      const refused = (await this.store.locked(id, manager)) as ImpersonationRow;
      await this.record('impersonation.refused', refused, tenant, manager);
      return refused;
    });
  }

  /** The current tenant ends it, asked or under way. What is over stays as it is. @throws ImpersonationNotFound */
  async endByTenant(id: string): Promise<void> {
    const tenant = this.context.currentOrThrow('Consent');
    await this.end(await this.findOf(tenant, id), tenant);
  }

  /** Any platform admin who could have started it ends it. @throws ImpersonationNotFound */
  async endByPlatform(id: string): Promise<void> {
    const row = await this.find(id);
    const tenant = await this.directory.findById(row.tenant_id);
    if (!tenant) throw new ImpersonationNotFound();
    await this.end(row, tenant);
  }

  /** Ends whatever an admin has open. */
  async endAllOf(adminId: string): Promise<void> {
    for (const { id } of await this.store.openOf(adminId)) await this.endByPlatform(id);
  }

  /** Makes every process look again whether they are in force, from the commit on. */
  async recheckAll(manager: EntityManager): Promise<void> {
    await this.store.changed('', manager);
  }

  private async end({ id }: ImpersonationRow, tenant: Tenant): Promise<void> {
    await this.outsideTenant(() =>
      this.store.transaction(async (manager) => {
        const row = await this.store.locked(id, manager);
        if (row?.status !== 'active' && row?.status !== 'pending') return;
        await this.store.end(id, manager);
        await this.record('impersonation.ended', row, tenant, manager);
      }),
    );
  }

  /** @param change is run while nobody else can decide */
  private decide(
    tenant: Tenant,
    id: string,
    change: (manager: EntityManager) => Promise<ImpersonationRow>,
  ): Promise<ImpersonationRow> {
    return this.outsideTenant(() =>
      this.store.transaction(async (manager) => {
        const row = await this.store.locked(id, manager);
        if (row?.tenant_id !== tenant.id || row.status !== 'pending') throw new ImpersonationOver();
        return change(manager);
      }),
    );
  }

  /** In both logs. @param more what belongs to the tenant's transaction */
  async record(
    event: string,
    row: ImpersonationRow,
    tenant: Tenant,
    manager: EntityManager,
    more: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { id, reason, minutes, admin_id: admin, admin_name } = row;
    const target = { kind: 'user', id: row.user_id };
    const until = row.expires_at?.toISOString();
    const details = { impersonation: id, admin, admin_name, minutes, until };
    await this.platformAudit.record(manager, { event, tenantId: tenant.id, reason, target, details });
    await this.runner.run(tenant, () =>
      this.transaction.run(async () => {
        await this.tenantAudit.record({ event, target, details: { ...details, reason } });
        await more();
      }),
    );
  }

  private sign(admin: PlatformPrincipal, row: ImpersonationRow, user: User): GivenToken {
    const expiresIn = Math.floor(((row.expires_at?.getTime() ?? 0) - Date.now()) / 1000);
    if (expiresIn < 1) throw new ImpersonationOver();
    const claims = {
      sub: user.id,
      tid: row.tenant_id,
      rv: user.tokenVersion,
      did: row.id,
      act: { sub: admin.id, name: admin.name },
    };
    return { accessToken: this.tokens.sign('tenant', claims, expiresIn), expiresIn };
  }

  private async activeUser(tenant: Tenant, userId: string): Promise<User> {
    const user = isUuid(userId) ? await this.runner.run(tenant, () => this.users.findOneBy({ id: userId })) : null;
    if (user?.status !== 'active') throw new ImpersonatedUserNotFound();
    return user;
  }

  /** @throws ImpersonationNotFound */
  async find(id: string): Promise<ImpersonationRow> {
    const row = isUuid(id) ? await this.outsideTenant(() => this.store.byId(id)) : undefined;
    if (!row) throw new ImpersonationNotFound();
    return row;
  }

  private async findOf(tenant: Tenant, id: string): Promise<ImpersonationRow> {
    const row = await this.find(id);
    if (row.tenant_id !== tenant.id) throw new ImpersonationNotFound();
    return row;
  }

  private outsideTenant<T>(fn: () => Promise<T>): Promise<T> {
    return this.runner.runAsPlatform('impersonation', fn);
  }
}
