import { Injectable, Logger } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { type JobRun, PlatformCron } from '../../jobs/index.js';
import { TenantDirectory, TenantRunner, TenantTransaction } from '../../tenancy/index.js';
import { DomainCheckStore, type Notice } from './domain-check.store.js';
import { DomainNotices } from './domain.notices.js';
import { DomainProver } from './domain.prover.js';
import { proofRecord } from './tenant-domain.js';

/** Looked up at the same time. */
const BATCH = 25;
/** Longer than the longest look-up. */
const LEASE_MS = 120_000;

export interface CheckReport {
  checked: number;
  verified: number;
  disabled: number;
  /** Tenants' logs written and their people told. */
  told: number;
}

/**
 * Looks again at every domain that is due: claims that wait for their proof, hourly for seven days; verified ones, daily,
 * and hourly while the proof is missing. One that has been missing for three days ends the domain; a silent DNS does not.
 */
@Injectable()
export class DomainChecks {
  private readonly logger = new Logger('DomainChecks');

  constructor(
    private readonly store: DomainCheckStore,
    private readonly prover: DomainProver,
    private readonly notices: DomainNotices,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  @PlatformCron('domains.check', '23 * * * *', { timeoutSeconds: 3000 })
  async hourly({ signal }: JobRun): Promise<void> {
    this.logger.log({ ...(await this.runDue(signal)) }, 'Domains were looked at');
  }

  /**
   * Any number of processes may run this at once: each takes what no other has. What a killed one had taken is due again
   * after two minutes.
   *
   * @param signal ends it after the batch at hand, whose outcome is dropped
   */
  async runDue(signal?: AbortSignal): Promise<CheckReport> {
    const report: CheckReport = { checked: 0, verified: 0, disabled: 0, told: 0 };
    await this.store.releaseDeleted();
    while (!signal?.aborted) {
      const claims = await this.store.claimDue(BATCH, LEASE_MS);
      if (claims.length === 0) break;
      const findings = await Promise.all(
        claims.map(async (claim) => ({ claim, proof: await this.prover.look(claim, signal) })),
      );
      if (signal?.aborted) break;
      const isNew = ({ claim, proof }: (typeof findings)[number]) =>
        claim.status === 'pending' && proof.kind === 'shown';
      report.disabled += await this.store.settle(findings.filter((finding) => !isNew(finding)));
      for (const { claim } of findings.filter(isNew)) if (await this.store.promote(claim)) report.verified += 1;
      report.checked += claims.length;
    }
    report.told = await this.tell(signal);
    return report;
  }

  /** Apart from the checks, because it is written where the tenant's data is; at least once. */
  private async tell(signal: AbortSignal | undefined): Promise<number> {
    let told = 0;
    while (!signal?.aborted) {
      const notices = await this.store.claimNotices(BATCH, LEASE_MS);
      if (notices.length === 0) break;
      for (const notice of notices) {
        try {
          await this.tellTenant(notice);
          await this.store.told(notice);
          told += 1;
        } catch (error) {
          this.logger.error({ err: error, domain: notice.id }, 'A tenant could not be told of its domain');
        }
      }
    }
    return told;
  }

  private async tellTenant({ id, tenantId, domain, token, notice }: Notice): Promise<void> {
    const tenant = await this.directory.findById(tenantId);
    if (tenant?.status !== 'active' && tenant?.status !== 'suspended') return;
    const { name, value } = proofRecord({ domain, token });
    await this.runner.run(tenant, () =>
      this.transaction.run(async () => {
        await this.audit.record({ event: `domain.${notice}`, target: { kind: 'domain', id }, details: { domain } });
        if (notice === 'disabled') await this.notices.disabled({ domain, recordName: name, recordValue: value });
      }),
    );
  }
}
