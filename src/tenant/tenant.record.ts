import type { Placement, TenantKind, TenantStatus } from '../tenancy/index.js';

export { TENANT_KINDS, type TenantKind } from '../tenancy/index.js';

export const TENANT_STATUSES = [
  'provisioning',
  'active',
  'failed',
  'suspended',
  'archived',
  'deleted',
] as const satisfies readonly TenantStatus[];

/** A tenant as the control plane keeps it. */
export interface TenantRecord {
  id: string;
  slug: string;
  name: string;
  plan: string;
  status: TenantStatus;
  kind: TenantKind;
  placement: Placement;
  settings: Record<string, unknown>;
  /** Counts edits; what the ETag says. */
  revision: number;
  status_changed_at: Date;
  /** For everybody who meets the tenant while it is suspended. */
  suspended_reason: string | null;
  /** When a trial or copy ends. */
  expires_at: Date | null;
  /** What it is a copy of. */
  source_tenant_id: string | null;
  /** Whose people made it, and look after it. */
  holder_tenant_id: string | null;
  /** Whether the copy holds the data of its source, or only the settings. */
  with_data: boolean;
  /** When the data of an archived tenant is erased. */
  purge_after: Date | null;
  created_at: Date;
  updated_at: Date;
}
