import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../audit/index.js';
import { PlanRegistry, SlugHolds, SlugTaken, TenantProvisioning } from '../tenant/index.js';
import { SignupInvites } from './invites/signup-invites.js';
import { SignupExpired } from './signup.errors.js';
import { SignupPolicy } from './signup.policy.js';
import { type Signup, SignupStore } from './signup.store.js';
import { SlugSuggestions } from './slug.suggestions.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Has the tenant of a sign-up made, once. */
@Injectable()
export class SignupTenants {
  constructor(
    private readonly store: SignupStore,
    private readonly policy: SignupPolicy,
    private readonly invites: SignupInvites,
    private readonly plans: PlanRegistry,
    private readonly holds: SlugHolds,
    private readonly suggestions: SlugSuggestions,
    private readonly provisioning: TenantProvisioning,
    private readonly audit: PlatformAudit,
  ) {}

  /**
   * @param tokenHash of the link that was followed
   * @returns the tenant's id; whoever comes second gets the first one's
   * @throws SignupExpired; SlugTaken with suggestions when an operator gave the slug away meanwhile
   */
  async make({ id, slug, plan }: Signup, tokenHash: Buffer): Promise<string> {
    const { trial_days: trialDays } = await this.plans.find(plan);
    try {
      return await this.store.transaction(async (manager) => {
        // Before the row, in the order of those who hold slugs.
        await this.holds.lock(manager, slug);
        const signup = whereGood(await this.store.findLocked(manager, id), tokenHash);
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
}

/**
 * The sign-up that an authentic link is of: what is not found was here, and is gone.
 *
 * @throws SignupExpired, also where another link has taken the place of this one
 */
export function whereGood(signup: Signup | undefined, tokenHash: Buffer): Signup {
  if (!signup || signup.expired || !timingSafeEqual(signup.token_hash, tokenHash)) throw new SignupExpired();
  return signup;
}
