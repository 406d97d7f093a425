import type { NewTenant, PlanRegistry, TenantEdit } from '../../tenant/index.js';
import type { ChangeTenantRequest, CreateTenantRequest } from './tenant.dto.js';

/** What a checked request asks for, with what it leaves out. */
export async function newTenantOf(body: CreateTenantRequest, plans: PlanRegistry): Promise<NewTenant> {
  const { slug, name, owner, settings, plan = 'free', kind = 'production' } = body;
  const expiresAt = kind === 'trial' ? await plans.trialEnd(plan) : undefined;
  return { slug, name, plan, kind, owner, ...(settings && { settings }), ...(expiresAt && { expiresAt }) };
}

export function editOf({ expires_at: expiresAt, ...edit }: ChangeTenantRequest): TenantEdit {
  if (expiresAt === undefined) return edit;
  return { ...edit, expires_at: expiresAt === null ? null : new Date(expiresAt) };
}
