import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PlatformAudit, TenantAudit } from '../../audit/index.js';
import { isUuid, newId } from '../../common/index.js';
import { DomainPolicy, type Tenant, TenantContext, TenantTransaction } from '../../tenancy/index.js';
import {
  CheckedJustNow,
  DnsUnavailable,
  DomainExists,
  DomainNotVerified,
  DomainRefused,
  DomainUnproven,
  TooManyDomains,
  UnknownDomain,
} from './domain.errors.js';
import { DomainProver } from './domain.prover.js';
import { DomainStore } from './domain.store.js';
import { proofRecord, type TenantDomain } from './tenant-domain.js';

/** Domains of one tenant. */
export const MAX_DOMAINS = 10;
/** … of which so many may be unproven. */
export const MAX_UNPROVEN = 5;
/** How often a domain may be looked up by hand, in ms. */
const LOOK_EVERY_MS = 3000;
/** Enough that nobody guesses the proof of another's claim. */
const TOKEN_BYTES = 24;

/** The current tenant's own domains: said, proven, given up. */
@Injectable()
export class DomainsService {
  constructor(
    private readonly store: DomainStore,
    private readonly prover: DomainProver,
    private readonly policy: DomainPolicy,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly platformAudit: PlatformAudit,
  ) {}

  list(): Promise<TenantDomain[]> {
    return this.store.list(this.tenant().id);
  }

  /** @throws UnknownDomain */
  async find(id: string): Promise<TenantDomain> {
    const domain = isUuid(id) ? await this.store.find(this.tenant().id, id) : undefined;
    if (!domain) throw new UnknownDomain();
    return domain;
  }

  /** @throws DomainRefused, DomainExists, TooManyDomains */
  async add(text: string): Promise<TenantDomain> {
    const { domain, problem } = this.policy.read(text.trim());
    if (problem) throw new DomainRefused(problem);
    const claim = { id: newId(), tenantId: this.tenant().id, domain, token: randomBytes(TOKEN_BYTES).toString('hex') };
    return this.change('domain.added', claim, async (manager) => {
      const { all, unproven } = await this.store.counts(manager, claim.tenantId);
      const added = await this.store.insert(manager, claim);
      if (!added) throw new DomainExists();
      if (all >= MAX_DOMAINS) throw new TooManyDomains(MAX_DOMAINS, false);
      if (unproven >= MAX_UNPROVEN) throw new TooManyDomains(MAX_UNPROVEN, true);
      return added;
    });
  }

  /**
   * Looks for the proof now. The first of several tenants to show theirs has the domain.
   *
   * @throws UnknownDomain, CheckedJustNow, DomainUnproven, DnsUnavailable, DomainTaken
   */
  async verify(id: string): Promise<TenantDomain> {
    const claim = await this.find(id);
    if (!(await this.store.mayLook(id, LOOK_EVERY_MS))) throw new CheckedJustNow(LOOK_EVERY_MS / 1000);
    const proof = await this.prover.look(claim);
    if (proof.kind !== 'shown') {
      await this.store.found(id, proof.finding);
      throw proof.kind === 'missing'
        ? new DomainUnproven(proof.finding, proofRecord(claim))
        : new DnsUnavailable(proof.finding);
    }
    const event = claim.status === 'verified' ? 'domain.checked' : 'domain.verified';
    return this.change(event, claim, async (manager, changed) => {
      const proven = await this.store.prove(manager, claim);
      if (!proven) throw new UnknownDomain();
      if (claim.status !== 'verified') changed(claim.domain);
      return proven;
    });
  }

  /** Makes links lead to the domain, or no longer. @throws UnknownDomain, DomainNotVerified */
  async setPrimary(id: string, primary: boolean): Promise<TenantDomain> {
    const claim = await this.find(id);
    if (primary && claim.status !== 'verified') throw new DomainNotVerified();
    return this.change(primary ? 'domain.made-primary' : 'domain.made-secondary', claim, async (manager, changed) => {
      if (!(await this.store.setPrimary(manager, claim.tenantId, id, primary))) throw new DomainNotVerified();
      changed(claim.domain);
      return { ...claim, isPrimary: primary };
    });
  }

  /** From now on requests by this name are nobody's. @throws UnknownDomain */
  async remove(id: string): Promise<void> {
    const claim = await this.find(id);
    await this.change('domain.removed', claim, async (manager, changed) => {
      await this.store.remove(manager, id);
      changed(claim.domain);
    });
  }

  /** The change and the platform's event in one transaction, and around it that of the tenant's own log. */
  private change<T>(
    event: string,
    { id, tenantId, domain }: Pick<TenantDomain, 'id' | 'tenantId' | 'domain'>,
    fn: Parameters<DomainStore['change']>[1],
  ): Promise<T> {
    const input = { event, target: { kind: 'domain', id }, details: { domain } };
    return this.transaction.run(async () => {
      await this.audit.record(input);
      return this.store.change(tenantId, async (manager, changed) => {
        const result = (await fn(manager, changed)) as T;
        await this.platformAudit.record(manager, { ...input, tenantId });
        return result;
      });
    });
  }

  private tenant(): Tenant {
    return this.context.currentOrThrow('A domain');
  }
}
