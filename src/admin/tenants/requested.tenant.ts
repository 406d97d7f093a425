import type { EntityManager } from 'typeorm';
import { ValidationFailed } from '../../common/index.js';
import type { CopyTemplates, NewCopy, NewTenant, PlanRegistry, TenantEdit } from '../../tenant/index.js';
import { type ChangeTenantRequest, COPY_LIFETIME_DAYS, type CreateTenantRequest } from './tenant-request.dto.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * What a checked request asks for, with what it leaves out.
 *
 * @param manager of the transaction it is looked up in, if there is one
 * @throws UnknownTemplate; ValidationFailed for what needs a template or a kind that has one, and for a login
 *   role in shared tables
 */
export async function newTenantOf(
  body: CreateTenantRequest,
  plans: PlanRegistry,
  templates: CopyTemplates,
  manager?: EntityManager,
): Promise<NewTenant> {
  const { slug, name, owner, settings, isolation, server, region } = body;
  if (body.login && (isolation ?? 'shared') === 'shared') {
    throw new ValidationFailed([{ pointer: '/login', detail: 'needs the isolation schema or database' }]);
  }
  const plan = body.plan ?? 'free';
  const kind = body.kind ?? 'production';
  const copy = await copyOf(body, kind, templates, manager);
  const copyEnd = copy && new Date(Date.now() + (body.lifetime_days ?? COPY_LIFETIME_DAYS) * DAY_MS);
  const expiresAt = kind === 'trial' ? await plans.trialEnd(plan, manager) : copyEnd;
  return {
    slug,
    name,
    plan,
    kind,
    owner,
    ...(settings && { settings }),
    ...(expiresAt && { expiresAt }),
    ...(copy && { copy }),
    ...(isolation && { isolation }),
    ...(body.login && { login: true }),
    ...(server && { server }),
    ...(region && { region }),
  };
}

async function copyOf(
  { template, with_data: withData, lifetime_days: days }: CreateTenantRequest,
  kind: string,
  templates: CopyTemplates,
  manager: EntityManager | undefined,
): Promise<NewCopy | undefined> {
  if (template == null) {
    if (days != null) throw new ValidationFailed([{ pointer: '/lifetime_days', detail: 'needs a template' }]);
    if (withData) throw new ValidationFailed([{ pointer: '/with_data', detail: 'needs a template' }]);
    return undefined;
  }
  if (kind !== 'sandbox' && kind !== 'training') {
    throw new ValidationFailed([{ pointer: '/template', detail: 'is for the kinds sandbox and training' }]);
  }
  return { sourceId: (await templates.find(template, manager)).id, withData: withData ?? false };
}

export function editOf({ expires_at: expiresAt, ...edit }: ChangeTenantRequest): TenantEdit {
  if (expiresAt === undefined) return edit;
  return { ...edit, expires_at: expiresAt === null ? null : new Date(expiresAt) };
}
