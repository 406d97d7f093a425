import { Injectable } from '@nestjs/common';
import {
  ChangeTenantRequest,
  CreateTenantRequest,
  editOf,
  newTenantOf,
  TenantDetails,
  TenantListQuery,
  type TenantPageView,
  TenantView,
} from '../admin/index.js';
import { parseLimit, revisionOf } from '../common/index.js';
import {
  CopyTemplates,
  PlanRegistry,
  TenantEditor,
  TenantProvisioning,
  TenantQuery,
  type TenantRecord,
  TenantStore,
} from '../tenant/index.js';
import { CommandFailure, EXIT, Interrupted, UsageFailure } from './exit-codes.js';
import { checked, settingsOf, tagOf } from './input.js';
import { ProvisioningWatch } from './provisioning.watch.js';
import { Table } from './table.js';
import { TENANT_TITLES, tenantCard, tenantRow } from './tenant.tables.js';
import { Terminal } from './terminal.js';

export interface CreateOptions {
  name: string;
  owner: string;
  ownerName?: string;
  plan?: string;
  kind?: string;
  isolation?: string;
  login?: boolean;
  server?: string;
  region?: string;
  setting?: string[];
  wait: boolean;
}

export interface ListOptions {
  status?: string;
  plan?: string;
  kind?: string;
  search?: string;
  limit?: string;
  cursor?: string;
  all?: boolean;
  total?: boolean;
}

export interface EditOptions {
  slug?: string;
  name?: string;
  plan?: string;
  kind?: string;
  setting?: string[];
  unset?: string[];
  expiresAt?: string;
  ifMatch?: string;
}

const PAGE = 200;

/** Makes, finds and edits tenants, and sees to it that one is made. */
@Injectable()
export class TenantCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly store: TenantStore,
    private readonly query: TenantQuery,
    private readonly editor: TenantEditor,
    private readonly provisioning: TenantProvisioning,
    private readonly plans: PlanRegistry,
    private readonly templates: CopyTemplates,
    private readonly watch: ProvisioningWatch,
  ) {}

  async create(slug: string, options: CreateOptions): Promise<void> {
    const { name, plan, kind, isolation, login, server, region, owner: email, ownerName, setting } = options;
    const body = await checked(CreateTenantRequest, {
      slug,
      name,
      plan,
      kind,
      isolation,
      login,
      server,
      region,
      owner: { email, ...(ownerName !== undefined && { name: ownerName }) },
      settings: settingsOf(setting),
    });
    const tenant = await this.provisioning.create(await newTenantOf(body, this.plans, this.templates));
    if (options.wait) return this.finish(tenant);
    await this.begun(tenant);
  }

  async wait(name: string): Promise<void> {
    await this.finish(await this.store.find(name));
  }

  async retry(name: string, wait: boolean): Promise<void> {
    const tenant = await this.provisioning.retry(name);
    if (wait) return this.finish(tenant);
    await this.begun(tenant);
  }

  async rollBack(name: string, wait: boolean): Promise<void> {
    const tenant = await this.provisioning.rollBack(name);
    if (wait) await this.watch.settle(tenant.id, tenant.slug);
    const outcome = wait ? 'is gone, and the slug is free again.' : 'is being taken back.';
    await this.terminal.show(() => [`${tenant.slug} ${outcome}`], TenantView.of(tenant));
  }

  async show(name: string): Promise<void> {
    await this.print(await this.details(await this.store.find(name)));
  }

  async edit(name: string, options: EditOptions): Promise<void> {
    const { setting, unset, expiresAt, ifMatch, ...fields } = options;
    const settings = settingsOf(setting, unset);
    const ends = expiresAt === 'never' ? null : expiresAt;
    const change = { ...fields, settings, expires_at: ends };
    if (Object.values(change).every((value) => value === undefined)) throw new UsageFailure('Nothing to change.');
    const body = await checked(ChangeTenantRequest, change);
    await this.print(TenantView.of(await this.editor.edit(name, editOf(body), revisionOf(tagOf(ifMatch)))));
  }

  async list({ search, limit, cursor, all, total, ...filter }: ListOptions): Promise<void> {
    const query = await checked(TenantListQuery, { ...filter, q: search });
    if (all) return this.listAll(query, total === true);
    const found = await this.query.list(query, parseLimit(limit, 50, PAGE), cursor, total);
    const page: TenantPageView = { ...found, items: found.items.map((tenant) => TenantView.of(tenant)) };
    await this.terminal.show(() => new Table(TENANT_TITLES).rows(page.items.map(tenantRow)), page);
    if (this.terminal.json) return;
    if (page.total !== undefined) this.terminal.note(`${page.total} in all`);
    if (page.next_cursor) this.terminal.note(`There are more: --all, or --cursor ${page.next_cursor}`);
  }

  /** One page at a time, however many there are: the same document as of one page, written piece by piece. */
  private async listAll(query: TenantListQuery, count: boolean): Promise<void> {
    const { json } = this.terminal;
    const table = new Table(TENANT_TITLES);
    let total: number | undefined;
    let cursor: string | undefined;
    let first = true;
    if (json) await this.terminal.print('{"items":[');
    do {
      if (this.terminal.interrupted.aborted) throw new Interrupted();
      const page = await this.query.list(query, PAGE, cursor, count && first);
      const items = page.items.map((tenant) => TenantView.of(tenant));
      if (json) {
        const rows = items.map((item) => JSON.stringify(item)).join(',\n');
        await this.terminal.print(`${first || rows === '' ? '\n' : ',\n'}${rows}`);
      } else await this.terminal.print(`${table.rows(items.map(tenantRow)).join('\n')}\n`);
      total ??= page.total;
      cursor = page.next_cursor ?? undefined;
      first = false;
    } while (cursor !== undefined);
    if (json) await this.terminal.print(`\n],"next_cursor":null${count ? `,"total":${total}` : ''}}\n`);
    else if (count) this.terminal.note(`${total} in all`);
  }

  private async begun(tenant: TenantRecord): Promise<void> {
    await this.print(TenantView.of(tenant));
    this.terminal.note(
      `A running service goes on with it, or the next one that starts; "tenants wait ${tenant.slug}" waits for it.`,
    );
  }

  /** Waits, then says how the tenant is, however that ended. */
  private async finish({ id, slug }: TenantRecord): Promise<void> {
    let interrupted: unknown;
    const state = await this.watch.settle(id, slug).catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
      interrupted = error;
      return undefined;
    });
    await this.print(await this.details(await this.store.find(id)));
    if (interrupted) throw interrupted as Error;
    if (state?.state === 'failed') {
      throw new CommandFailure(
        EXIT.failed,
        'provisioning_failed',
        `The provisioning of ${slug} failed: ${state.error ?? 'unknown'}.`,
        `Remove the cause, then "tenants retry ${slug}" or "tenants roll-back ${slug}".`,
      );
    }
    if (this.watch.alone)
      this.terminal.note('The mail to its owner waits in the outbox; the service sends it when it runs.');
  }

  private async details(tenant: TenantRecord): Promise<TenantDetails> {
    return TenantDetails.with(tenant, await this.provisioning.progress(tenant.id));
  }

  private async print(tenant: TenantView): Promise<void> {
    await this.terminal.show(() => tenantCard(tenant), tenant);
  }
}
