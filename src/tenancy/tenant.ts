/** Where a tenant's data lives. Product code never sees it; the query runner picks the connection by it. */
export type Placement = { kind: 'shared' };

export type TenantStatus = 'provisioning' | 'active' | 'failed' | 'suspended' | 'archived' | 'deleted';

export const TENANT_KINDS = ['production', 'trial', 'sandbox', 'training'] as const;
/** Sandboxes and training tenants are for trying out: no mail leaves them for people who know nothing of it. */
export type TenantKind = (typeof TENANT_KINDS)[number];

/** What the kernel and the facilities know of a tenant. Immutable; replaced as a whole when it changes. */
export interface Tenant {
  /** UUIDv7, the value of every `tenant_id`. */
  readonly id: string;
  /** Public name: a DNS label. */
  readonly slug: string;
  readonly name: string;
  readonly plan: string;
  readonly kind: TenantKind;
  readonly status: TenantStatus;
  /** For everybody who meets the tenant while it is suspended. */
  readonly suspendedReason?: string | null;
  readonly placement: Placement;
  /** Flat, dotted keys (`chat.public`); read through `TenantSettings`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Set when it was found by a slug that it had before, and until when that leads here, in ms since the epoch. */
  readonly alias?: { readonly slug: string; readonly until: number };
  /** The tenant's own domain that links lead to. */
  readonly primaryDomain?: string | null;
}
