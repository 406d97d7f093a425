import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { TenantAudit } from '../audit/index.js';
import { CODE_SECONDS, SandboxAccess, type SandboxPerson } from '../auth/index.js';
import { PlatformIdempotency } from '../idempotency/index.js';
import { InjectPlatformDataSource, type Tenant, TenantContext, TenantTransaction } from '../tenancy/index.js';
import {
  type CopySource,
  CopyTemplates,
  type Plan,
  SlugTaken,
  TenantLifecycle,
  TenantProvisioning,
  TenantStore,
  TransitionRefused,
} from '../tenant/index.js';
import {
  SandboxBusy,
  SandboxOfSandbox,
  SourceNotActive,
  TooManySandboxes,
  TooManySandboxesToday,
  TrialOver,
  UnknownSandbox,
} from './sandbox.errors.js';
import { type Sandbox, SandboxStore } from './sandbox.store.js';

/** Living sandboxes of one tenant. */
export const MAX_SANDBOXES = 5;
/** Sandboxes made by one tenant in 24 hours: each takes a slug for good. */
export const MAX_SANDBOXES_A_DAY = 20;
export const DEFAULT_LIFETIME_DAYS = 14;
const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_SLUG = 63;
/** Numbers that are tried for a slug that nobody chose. */
const NUMBERS = 200;

export interface NewSandbox {
  slug?: string;
  name?: string;
  kind?: 'sandbox' | 'training';
  template?: string;
  withData?: boolean;
  lifetimeDays?: number;
}

/** The copies that the current tenant holds of itself and of templates. */
@Injectable()
export class SandboxesService {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly store: SandboxStore,
    private readonly tenants: TenantStore,
    private readonly templates: CopyTemplates,
    private readonly provisioning: TenantProvisioning,
    private readonly lifecycle: TenantLifecycle,
    private readonly accesses: SandboxAccess,
    private readonly idempotency: PlatformIdempotency,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  list(): Promise<Sandbox[]> {
    return this.store.list(this.holder().id);
  }

  /** @throws UnknownSandbox */
  async find(slug: string): Promise<Sandbox> {
    const sandbox = await this.store.find(this.holder().id, slug);
    if (!sandbox) throw new UnknownSandbox();
    return sandbox;
  }

  /**
   * Has the copy made; the work itself goes on after the answer.
   *
   * @param userId who asks, and will be its owner @param view what is answered, also to a repetition under the same key
   * @throws SandboxOfSandbox, UnknownTemplate, SourceNotActive, TrialOver, TooManySandboxes, TooManySandboxesToday, SlugTaken; ValidationFailed for the slug
   */
  async create<T>(input: NewSandbox, userId: string, key: string | undefined, view: (made: Sandbox) => T): Promise<T> {
    const holder = this.holder();
    const person = await this.accesses.personOf(userId);
    const request = { key, scope: `sandboxes:${holder.id}:${userId}`, body: input };
    return this.transaction.run(() =>
      this.idempotency.execute(request, async (manager) => {
        // Looked up in here, so that a repetition is answered whatever became of the template.
        if (holder.kind === 'sandbox' || holder.kind === 'training') throw new SandboxOfSandbox();
        const source = input.template === undefined ? holder : await this.templates.find(input.template, manager);
        // Also has the counts below made one after the other.
        const { status, plan, kind, expires_at: end } = await this.tenants.lock(manager, holder.id);
        if (status !== 'active') throw new SourceNotActive();
        const holderEnd = kind === 'trial' && end !== null ? end.getTime() : Infinity;
        if (holderEnd <= Date.now()) throw new TrialOver();
        const { living, today } = await this.store.counts(manager, holder.id);
        if (living >= MAX_SANDBOXES) throw new TooManySandboxes(MAX_SANDBOXES);
        if (today >= MAX_SANDBOXES_A_DAY) throw new TooManySandboxesToday(MAX_SANDBOXES_A_DAY);
        const slug = await this.make(manager, input, holder, source, plan as Plan, person, holderEnd);
        const made = await this.store.find(holder.id, slug, manager);
        if (!made) throw new UnknownSandbox();
        await this.record('sandbox.created', made, { source: made.source, with_data: made.with_data });
        return view(made);
      }),
    );
  }

  /**
   * Brings the sandbox back to its start: emptied, and copied anew from what its source is now.
   *
   * @throws UnknownSandbox, SandboxBusy, SourceNotActive
   */
  async reset(slug: string, userId: string): Promise<Sandbox> {
    const person = await this.accesses.personOf(userId);
    const holder = this.holder();
    const { source_id: sourceId } = await this.find(slug);
    // Before any transaction: it takes a connection of its own.
    if (sourceId !== holder.id && !(await this.templates.isTemplate(sourceId))) throw new SourceNotActive();
    return this.change(slug, 'sandbox.reset', async (manager, sandbox) => {
      await this.provisioning.resetWithin(manager, sandbox.id, { ...person, direct: true });
    });
  }

  /** Takes the sandbox out of service, for good as far as its holder goes. @throws UnknownSandbox, SandboxBusy */
  async remove(slug: string): Promise<void> {
    const sandbox = await this.find(slug);
    if (sandbox.status === 'failed') {
      await this.provisioning.rollBack(sandbox.id).catch(busy(sandbox));
      await this.record('sandbox.removed', sandbox);
      return;
    }
    await this.change(slug, 'sandbox.removed', async (manager, { id }) => {
      await this.lifecycle.applyWithin(manager, id, 'archive');
    });
  }

  /** @returns a code that signs the person in to the sandbox as an owner, once @throws UnknownSandbox, SandboxBusy */
  async access(slug: string, userId: string): Promise<{ slug: string; code: string; expires_in: number }> {
    const sandbox = await this.find(slug);
    if (sandbox.status !== 'active') throw new SandboxBusy(sandbox.status);
    const person = await this.accesses.personOf(userId);
    const code = await this.transaction.run(async () => {
      await this.record('sandbox.entered', sandbox);
      return this.accesses.give(sandbox.id, person);
    });
    return { slug: sandbox.slug, code, expires_in: CODE_SECONDS };
  }

  /** @param holderEnd when the holder's trial ends, in ms since the epoch: no copy is to outlive it @returns the slug that it got */
  private async make(
    manager: EntityManager,
    input: NewSandbox,
    holder: Tenant,
    source: CopySource,
    plan: Plan,
    person: SandboxPerson,
    holderEnd: number,
  ): Promise<string> {
    const kind = input.kind ?? 'sandbox';
    const create = (slug: string) =>
      this.provisioning.createWithin(manager, {
        slug,
        name: input.name ?? `${source.name.slice(0, 180)} (${kind})`,
        plan,
        kind,
        owner: { ...person, direct: true },
        expiresAt: new Date(Math.min(Date.now() + (input.lifetimeDays ?? DEFAULT_LIFETIME_DAYS) * DAY_MS, holderEnd)),
        copy: { sourceId: source.id, withData: input.withData ?? false, holderId: holder.id },
      });
    if (input.slug !== undefined) return (await create(input.slug)).slug;
    const names = namesFor(holder.slug, kind);
    for (const slug of await this.store.free(manager, names)) {
      try {
        return (await create(slug)).slug;
      } catch (error) {
        // Taken by somebody since it was free.
        if (!(error instanceof SlugTaken)) throw error;
      }
    }
    throw new SlugTaken(names[0] ?? '');
  }

  /** The change, and the event in the tenant's own log around it. */
  private async change(
    slug: string,
    event: string,
    fn: (manager: EntityManager, sandbox: Sandbox) => Promise<void>,
  ): Promise<Sandbox> {
    const holder = this.holder();
    const sandbox = await this.find(slug);
    return this.transaction.run(async () => {
      await this.record(event, sandbox);
      return this.platform.transaction(async (manager) => {
        await fn(manager, sandbox).catch(busy(sandbox));
        return (await this.store.find(holder.id, slug, manager)) ?? sandbox;
      });
    });
  }

  private record(event: string, { id, slug }: Sandbox, details: object = {}): Promise<void> {
    return this.audit.record({ event, target: { kind: 'tenant', id }, details: { slug, ...details } });
  }

  private holder(): Tenant {
    return this.context.currentOrThrow('A sandbox');
  }
}

/** What only admins may do about it is nothing to the tenant. */
function busy({ status }: Sandbox): (error: unknown) => never {
  return (error) => {
    throw error instanceof TransitionRefused ? new SandboxBusy(status) : error;
  };
}

/** `acme-sandbox`, `acme-sandbox-2`, …, as far as a DNS label goes. */
function namesFor(slug: string, kind: string): string[] {
  return Array.from({ length: NUMBERS }, (_, index) => {
    const end = index === 0 ? `-${kind}` : `-${kind}-${index + 1}`;
    return `${slug.slice(0, MAX_SLUG - end.length).replace(/-+$/, '')}${end}`;
  });
}
