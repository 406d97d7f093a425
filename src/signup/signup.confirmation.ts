import { timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../audit/index.js';
import { type Client, FirstSignIn, LinkInvalid, type TokenPair } from '../auth/index.js';
import { MailLinks } from '../mail/index.js';
import { CredentialCodec, TenantDirectory, TenantRunner } from '../tenancy/index.js';
import {
  PlanRegistry,
  SlugHolds,
  SlugTaken,
  TenantProvisioning,
  type TenantRecord,
  TenantStore,
  UnknownTenant,
} from '../tenant/index.js';
import { SignupInvites } from './invites/signup-invites.js';
import { SignupExpired, SignupUsed } from './signup.errors.js';
import { SignupPolicy } from './signup.policy.js';
import { type Signup, SignupStore } from './signup.store.js';
import { SlugSuggestions } from './slug.suggestions.js';

/** How long an answer waits for the tenant, in ms, and how often it looks. */
const PATIENCE_MS = 2000;
const LOOK_MS = 40;
const DAY_MS = 24 * 60 * 60 * 1000;

/** How far a sign-up is. */
export interface SignupState {
  id: string;
  slug: string;
  status: 'unconfirmed' | 'provisioning' | 'failed' | 'ready';
  /** The tenant's own address. */
  url: string;
}

/** What a link came to: tokens when the tenant is ready. */
export interface Confirmation extends SignupState {
  pair?: TokenPair;
}

/** Turns the link of a mail into a tenant, once, and its owner into somebody who is signed in. */
@Injectable()
export class SignupConfirmation {
  constructor(
    private readonly store: SignupStore,
    private readonly policy: SignupPolicy,
    private readonly invites: SignupInvites,
    private readonly plans: PlanRegistry,
    private readonly holds: SlugHolds,
    private readonly suggestions: SlugSuggestions,
    private readonly provisioning: TenantProvisioning,
    private readonly tenants: TenantStore,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly owners: FirstSignIn,
    private readonly credentials: CredentialCodec,
    private readonly audit: PlatformAudit,
    private readonly links: MailLinks,
  ) {}

  /**
   * May be repeated until the tenant is ready: it is made once, and the link signs in once.
   *
   * @throws LinkInvalid, SignupExpired, SignupUsed; SlugTaken when an operator gave the slug away meanwhile
   */
  async confirm(token: string, client: Client): Promise<Confirmation> {
    const signup = await this.find(token);
    const tenantId = signup.tenant_id ?? (await this.make(signup, token));
    const tenant = await this.untilReady(tenantId);
    const state = await this.stateOf(signup, tenant);
    if (state.status !== 'ready') return state;
    const used = new SignupUsed(tenant.slug, state.url);
    const current = await this.directory.findById(tenantId);
    if (current?.status !== 'active' || !(await this.store.useSignIn(signup.id))) throw used;
    const { email } = this.store.requestOf(signup);
    const pair = await this.runner.run(current, () => this.owners.of(email, client));
    if (!pair) throw used;
    return { ...state, pair };
  }

  /** @throws LinkInvalid, SignupExpired */
  async state(id: string, token: string): Promise<SignupState> {
    const signup = await this.find(token);
    if (signup.id !== id) throw new LinkInvalid();
    return this.stateOf(signup, signup.tenant_id === null ? undefined : await this.tenants.find(signup.tenant_id));
  }

  private async find(token: string): Promise<Signup> {
    const opened = this.credentials.open('signup', token);
    if (!opened) throw new LinkInvalid();
    return this.checked(await this.store.find(opened.subjectId), token);
  }

  /** The link is authentic, so what is not found was here and is gone. */
  private checked(signup: Signup | undefined, token: string): Signup {
    if (!signup || signup.expired) throw new SignupExpired();
    if (!timingSafeEqual(signup.token_hash, this.credentials.hash(token))) throw new SignupExpired();
    return signup;
  }

  /** @returns the tenant's id; whoever comes second gets the first one's */
  private async make({ id, slug, plan }: Signup, token: string): Promise<string> {
    const { trial_days: trialDays } = await this.plans.find(plan);
    try {
      return await this.store.transaction(async (manager) => {
        // Before the row, in the order of those who hold slugs.
        await this.holds.lock(manager, slug);
        const signup = this.checked(await this.store.findLocked(manager, id), token);
        return signup.tenant_id ?? (await this.makeWithin(manager, signup, trialDays));
      });
    } catch (error) {
      if (!(error instanceof SlugTaken)) throw error;
      throw new SlugTaken(slug, await this.suggestions.for(slug, ''));
    }
  }

  private async makeWithin(manager: EntityManager, signup: Signup, trialDays: number): Promise<string> {
    const { id, slug, plan, invite_id: inviteId } = signup;
    const request = this.store.requestOf(signup);
    const { email, company, name, passwordHash } = request;
    const ends = this.policy.trial ? { expiresAt: new Date(Date.now() + trialDays * DAY_MS) } : {};
    const owner = { email, ...(name !== undefined && { name }), ...(passwordHash !== undefined && { passwordHash }) };
    const kind = this.policy.trial ? 'trial' : 'production';
    const tenant = await this.provisioning.createWithin(
      manager,
      { slug, name: company, plan, kind, owner, ...ends },
      id,
    );
    await this.store.confirm(manager, id, tenant.id, request);
    if (inviteId !== null) await this.invites.use(manager, inviteId);
    await this.audit.record(manager, {
      event: 'signup.confirmed',
      tenantId: tenant.id,
      target: { kind: 'signup', id },
      details: { slug, plan, ...(inviteId !== null && { invite: inviteId }) },
    });
    return tenant.id;
  }

  private async untilReady(tenantId: string): Promise<TenantRecord> {
    for (const end = performance.now() + PATIENCE_MS; ; await sleep(LOOK_MS)) {
      const tenant = await this.found(tenantId);
      if (tenant.status !== 'provisioning' || performance.now() > end) return tenant;
    }
  }

  /** An operator may have rolled it back. */
  private async found(tenantId: string): Promise<TenantRecord> {
    try {
      return await this.tenants.find(tenantId);
    } catch (error) {
      throw error instanceof UnknownTenant ? new SignupExpired() : error;
    }
  }

  private async stateOf({ id, slug }: Signup, tenant: TenantRecord | undefined): Promise<SignupState> {
    const unready = { provisioning: 'provisioning', failed: 'failed' } as const;
    const status = tenant ? (unready[tenant.status as keyof typeof unready] ?? 'ready') : 'unconfirmed';
    const now = tenant?.slug ?? slug;
    const known = tenant && (await this.directory.findById(tenant.id));
    return {
      id,
      slug: now,
      status,
      url: this.links.linkFor(known ?? { slug: now, settings: {}, inherited: undefined }, '/'),
    };
  }
}
