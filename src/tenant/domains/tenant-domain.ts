export const DOMAIN_STATUSES = ['pending', 'verified', 'disabled', 'expired'] as const;
/**
 * `pending` waits for its proof, `expired` has waited too long to be looked for by itself, `disabled` was proven once and
 * its proof has gone.
 */
export type DomainStatus = (typeof DOMAIN_STATUSES)[number];

/** A domain that a tenant says is its own. */
export interface TenantDomain {
  id: string;
  tenantId: string;
  domain: string;
  /** What the TXT record has to hold; public by nature. */
  token: string;
  status: DomainStatus;
  isPrimary: boolean;
  createdAt: Date;
  verifiedAt: Date | null;
  checkedAt: Date | null;
  /** Since when the proof of a verified domain has been missing. */
  failingSince: Date | null;
  /** What the last look found, when that was not the proof. */
  finding: string | null;
}

/** A row of `tenant_domains`. */
export interface DomainRow {
  id: string;
  tenant_id: string;
  domain: string;
  token: string;
  status: DomainStatus;
  is_primary: boolean;
  created_at: Date;
  verified_at: Date | null;
  checked_at: Date | null;
  failing_since: Date | null;
  finding: string | null;
}

export function domainOf(row: DomainRow): TenantDomain {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    domain: row.domain,
    token: row.token,
    status: row.status,
    isPrimary: row.is_primary,
    createdAt: row.created_at,
    verifiedAt: row.verified_at,
    checkedAt: row.checked_at,
    failingSince: row.failing_since,
    finding: row.finding,
  };
}

/** The record by which a tenant proves that a domain is its own. */
export function proofRecord({ domain, token }: Pick<TenantDomain, 'domain' | 'token'>): {
  type: 'TXT';
  name: string;
  value: string;
} {
  return { type: 'TXT', name: `_tenantry.${domain}`, value: `tenantry-verification=${token}` };
}
