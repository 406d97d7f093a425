export const ISOLATIONS = ['shared', 'schema', 'database'] as const;
/** How a tenant's rows are kept apart from others': by policies in shared tables, in a schema, or in a database. */
export type Isolation = (typeof ISOLATIONS)[number];

/** What stands in the place of a tenant in credentials, cursors and jobs of the platform. No tenant has this id. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000';

/** The server that DATABASE_URL names. */
export const DEFAULT_SERVER = 'default';

/** Where a tenant's data lives. Product code never sees it; the query runner picks the connection by it. */
export type Placement =
  | { readonly kind: 'shared'; readonly server?: string }
  /** A schema beside `shared`; with a login role of its own where that was asked for. */
  | { readonly kind: 'schema'; readonly server?: string; readonly schema: string; readonly login?: string }
  /** A database that this tenant's login role alone may enter; its tables are in its schema `shared`. */
  | { readonly kind: 'database'; readonly server?: string; readonly database: string; readonly login: string };

export function serverOf(placement: Placement): string {
  return placement.server ?? DEFAULT_SERVER;
}

/** Whether a login role of the tenant's own connects to its place. */
export function hasOwnLogin(placement: Placement): boolean {
  return placement.kind !== 'shared' && placement.login !== undefined;
}

/** Whether the rows are in the control plane's database, the only one in which processes listen. */
export function isInHomeDatabase(placement: Placement): boolean {
  return placement.kind !== 'database' && serverOf(placement) === DEFAULT_SERVER;
}

/** The schema that the tables are in. */
export function schemaOf(placement: Placement): string {
  return placement.kind === 'schema' ? placement.schema : 'shared';
}

export type TenantStatus = 'provisioning' | 'active' | 'failed' | 'suspended' | 'archived' | 'deleted';

export const TENANT_KINDS = ['production', 'trial', 'sandbox', 'training'] as const;
/** Sandboxes and training tenants are for trying out: no mail leaves them for people who know nothing of it. */
export type TenantKind = (typeof TENANT_KINDS)[number];

/** Settings as they are stored: flat, dotted keys. */
export type SettingValues = Readonly<Record<string, unknown>>;

/** What a tenant's plan and the platform set for those that set nothing of their own. */
export interface SettingLayers {
  readonly plan: SettingValues;
  readonly platform: SettingValues;
}

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
  /** Its own, by flat, dotted keys (`chat.public`); read through `TenantSettings`, which knows those it inherits. */
  readonly settings: SettingValues;
  /** What holds where it has none of its own; undefined: nothing. */
  readonly inherited: SettingLayers | undefined;
  /** Set when it was found by a slug that it had before, and until when that leads here, in ms since the epoch. */
  readonly alias?: { readonly slug: string; readonly until: number };
  /** The tenant's own domain that links lead to. */
  readonly primaryDomain?: string | null;
}
