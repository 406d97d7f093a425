import type { ClsStore } from 'nestjs-cls';
import type { QueryRunner } from 'typeorm';
import type { Actor } from './actor.js';
import type { Tenant } from './tenant.js';

/** `byCredential`: nothing but the credential of the request named the tenant. */
export type Resolution =
  | { kind: 'none' }
  /** Active, or suspended. */
  | { kind: 'tenant'; tenant: Tenant; byCredential?: true }
  /** Unknown, inactive or disagreeing signals; the reason is for the audit, never for the client. */
  | { kind: 'refused'; reason: 'unknown' | 'inactive' | 'disagreeing'; byCredential?: true };

/** An open unit of work. `ended` outlives the transaction, so that a promise nobody awaited cannot slip past it. */
export interface TenantUnit {
  runner: QueryRunner;
  ended: boolean;
  readonly committed: (() => void)[];
}

/** The one CLS store. Only the kernel writes it. */
export interface TenancyStore extends ClsStore {
  requestId?: string;
  /** Where the request came from. */
  address?: string;
  /** Absent: nobody was identified, and the audit says `system`. */
  actor?: Actor;
  tenant?: Tenant;
  /** Set by an outer tenant scope, kept inside `runAsPlatform`, so that no other tenant's scope opens beneath it. */
  outerTenantId?: string;
  platformReason?: string;
  unit?: TenantUnit;
  resolution?: Resolution;
}
