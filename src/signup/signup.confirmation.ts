import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type Client, FirstSignIn, LinkInvalid, type TokenPair } from '../auth/index.js';
import { MailLinks } from '../mail/index.js';
import { CredentialCodec, TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { type TenantRecord, TenantStore, UnknownTenant } from '../tenant/index.js';
import { SignupExpired, SignupUsed } from './signup.errors.js';
import { type Signup, SignupStore } from './signup.store.js';
import { SignupTenants, whereGood } from './signup.tenants.js';

/** How long an answer waits for the tenant, in ms, and how often it looks. */
const PATIENCE_MS = 2000;
const LOOK_MS = 40;

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

/** Follows the link of a mail: the tenant is made once, and its owner signed in once. */
@Injectable()
export class SignupConfirmation {
  constructor(
    private readonly store: SignupStore,
    private readonly made: SignupTenants,
    private readonly tenants: TenantStore,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly owners: FirstSignIn,
    private readonly credentials: CredentialCodec,
    private readonly links: MailLinks,
  ) {}

  /**
   * May be repeated until the tenant is ready: it is made once, and the link signs in once.
   *
   * @throws LinkInvalid, SignupExpired, SignupUsed; SlugTaken when an operator gave the slug away meanwhile
   */
  async confirm(token: string, client: Client): Promise<Confirmation> {
    const signup = await this.find(token);
    const tenantId = signup.tenant_id ?? (await this.made.make(signup, this.credentials.hash(token)));
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
    return whereGood(await this.store.find(opened.subjectId), this.credentials.hash(token));
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
