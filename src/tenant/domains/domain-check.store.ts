import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { DOMAINS_CHANNEL } from './domain.channel.js';
import type { Proof } from './domain.prover.js';
import { DomainStore, isTaken } from './domain.store.js';
import { domainOf, type DomainRow, type TenantDomain } from './tenant-domain.js';

/** A claim that this process has taken to look at; what it finds counts only while the lease is this one. */
export type Leased = TenantDomain & { lease: string };

export interface Notice {
  id: string;
  tenantId: string;
  domain: string;
  token: string;
  notice: 'verified' | 'disabled';
  lease: string;
}

export interface Finding {
  claim: Leased;
  proof: Proof;
}

interface Changed {
  id: string;
  tenantId: string;
  domain: string;
  slug: string;
}

/** What the checks read and write, for all tenants, in sets. Several processes may do so at once. */
@Injectable()
export class DomainCheckStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly domains: DomainStore,
    private readonly audit: PlatformAudit,
  ) {}

  /** @param leaseMs for how long nobody else takes them */
  async claimDue(limit: number, leaseMs: number): Promise<Leased[]> {
    const rows = await this.platform.query<(DomainRow & { lease: string })[]>(
      `WITH due AS (SELECT id FROM tenant_domains WHERE next_check_at <= now() ORDER BY next_check_at LIMIT $1
                    FOR UPDATE SKIP LOCKED),
       taken AS (UPDATE tenant_domains d SET next_check_at = now() + $2 * interval '1 millisecond'
                   FROM due WHERE d.id = due.id RETURNING d.*)
       SELECT *, next_check_at::text AS lease FROM taken`,
      [limit, leaseMs],
    );
    return rows.map((row) => ({ ...domainOf(row), lease: row.lease }));
  }

  /**
   * Notes what was found of claims that did not become proven by it.
   *
   * @returns how many were disabled
   */
  async settle(findings: Finding[]): Promise<number> {
    const input = findings.map(({ claim, proof }) => ({
      id: claim.id,
      lease: claim.lease,
      kind: proof.kind,
      finding: proof.kind === 'shown' ? null : proof.finding,
    }));
    if (input.length === 0) return 0;
    const disabled = await this.platform.transaction(async (manager) => {
      const rows = await manager.query<Changed[]>(
        `WITH input AS (SELECT i.*, d.status = 'verified' AND i.kind = 'missing'
                                    AND coalesce(d.failing_since <= now() - interval '3 days', false) AS ends,
                               d.status = 'pending' AND d.pending_since <= now() - interval '7 days' AS tires
             FROM jsonb_to_recordset($1::jsonb) AS i(id uuid, lease timestamptz, kind text, finding text)
             JOIN tenant_domains d ON d.id = i.id AND d.next_check_at = i.lease FOR UPDATE OF d),
         settled AS (
           UPDATE tenant_domains d
              SET checked_at = now(), finding = i.finding,
                  failing_since = CASE WHEN i.kind = 'shown' THEN NULL
                                       WHEN i.kind = 'missing' AND d.status = 'verified'
                                         THEN coalesce(d.failing_since, now())
                                       ELSE d.failing_since END,
                  status = CASE WHEN i.ends THEN 'disabled' WHEN i.tires THEN 'expired' ELSE d.status END,
                  is_primary = d.is_primary AND NOT i.ends,
                  notice = CASE WHEN i.ends THEN 'disabled' ELSE d.notice END,
                  notice_at = CASE WHEN i.ends THEN now() ELSE d.notice_at END,
                  next_check_at = CASE WHEN i.ends OR i.tires THEN NULL
                                       WHEN i.kind = 'shown' THEN now() + interval '23 hours' + random() * interval '1 hour'
                                       ELSE now() + interval '55 minutes' END
             FROM input i WHERE d.id = i.id
           RETURNING d.id, d.tenant_id, d.domain, i.ends)
         SELECT s.id, s.tenant_id AS "tenantId", s.domain, t.slug FROM settled s JOIN tenants t ON t.id = s.tenant_id
          WHERE s.ends`,
        [JSON.stringify(input)],
      );
      for (const row of rows) await this.audit.record(manager, eventOf('domain.disabled', row));
      if (rows.length > 0) await this.domains.notify(manager, ...namesOf(rows));
      return rows;
    });
    if (disabled.length > 0) this.domains.emit(...namesOf(disabled));
    return disabled.length;
  }

  /** @returns false when another tenant has the domain, or the lease is lost */
  async promote(claim: Leased): Promise<boolean> {
    try {
      const proven = await this.platform.transaction(async (manager) => {
        const rows = await manager.query<Changed[]>(
          `WITH proven AS (
             UPDATE tenant_domains SET status = 'verified', verified_at = now(), checked_at = now(), finding = NULL,
                    failing_since = NULL, notice = 'verified', notice_at = now(),
                    next_check_at = now() + interval '23 hours' + random() * interval '1 hour'
              WHERE id = $1 AND status = 'pending' AND next_check_at = $2::timestamptz RETURNING *)
           SELECT p.id, p.tenant_id AS "tenantId", p.domain, t.slug FROM proven p JOIN tenants t ON t.id = p.tenant_id`,
          [claim.id, claim.lease],
        );
        for (const row of rows) await this.audit.record(manager, eventOf('domain.verified', row));
        if (rows.length > 0) await this.domains.notify(manager, ...namesOf(rows));
        return rows;
      });
      if (proven.length > 0) this.domains.emit(...namesOf(proven));
      return proven.length > 0;
    } catch (error) {
      if (!isTaken(error)) throw error;
      await this.settle([{ claim, proof: { kind: 'missing', finding: 'another customer has proven it first' } }]);
      return false;
    }
  }

  /** What belonged to tenants that are no more is free again. */
  async releaseDeleted(): Promise<void> {
    const rows = await this.platform.query<Changed[]>(
      `WITH gone AS (DELETE FROM tenant_domains d USING tenants t WHERE t.id = d.tenant_id AND t.status = 'deleted'
         RETURNING d.id, d.tenant_id AS "tenantId", d.domain, t.slug)
       SELECT g.*, pg_notify($1, g.domain) FROM gone g`,
      [DOMAINS_CHANNEL],
    );
    if (rows.length > 0) this.domains.emit(...namesOf(rows));
  }

  claimNotices(limit: number, leaseMs: number): Promise<Notice[]> {
    return this.platform.query(
      `WITH due AS (SELECT id FROM tenant_domains WHERE notice_at <= now() ORDER BY notice_at LIMIT $1
                    FOR UPDATE SKIP LOCKED),
       taken AS (UPDATE tenant_domains d SET notice_at = now() + $2 * interval '1 millisecond'
                   FROM due WHERE d.id = due.id RETURNING d.*)
       SELECT id, tenant_id AS "tenantId", domain, token, notice, notice_at::text AS lease FROM taken`,
      [limit, leaseMs],
    );
  }

  async told({ id, lease }: Notice): Promise<void> {
    await this.platform.query(
      'UPDATE tenant_domains SET notice = NULL, notice_at = NULL WHERE id = $1 AND notice_at = $2::timestamptz',
      [id, lease],
    );
  }
}

function eventOf(event: string, { id, tenantId, domain }: Changed) {
  return { event, tenantId, target: { kind: 'domain', id }, details: { domain } };
}

function namesOf(rows: Changed[]): [domains: string[], slugs: string[]] {
  return [rows.map((row) => row.domain), [...new Set(rows.map((row) => row.slug))]];
}
