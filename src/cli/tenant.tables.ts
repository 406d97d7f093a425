import type { TenantDetails, TenantView } from '../admin/index.js';
import { card, Table } from './table.js';

export const TENANT_TITLES = ['SLUG', 'NAME', 'STATUS', 'KIND', 'PLAN', 'CREATED'];

export function tenantRow({ slug, name, status, kind, plan, created_at }: TenantView): string[] {
  return [slug, name, status, kind, plan, created_at.slice(0, 10)];
}

/** A tenant for people; what does not apply is left out. */
export function tenantCard(tenant: TenantView | TenantDetails): string[] {
  const settings = Object.entries(tenant.settings).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const optional = (name: string, value: string | null): [string, string][] => (value === null ? [] : [[name, value]]);
  return [
    ...card([
      ['slug', tenant.slug],
      ['name', tenant.name],
      ['status', tenant.status],
      ...optional('reason', tenant.suspended_reason),
      ['kind', tenant.kind],
      ['plan', tenant.plan],
      ['isolation', tenant.isolation],
      ...optional('login', tenant.login ? 'a role of its own' : null),
      ['server', tenant.server],
      ['settings', settings.join(', ') || 'as by default'],
      ...optional('expires', tenant.expires_at),
      ...optional('purged after', tenant.purge_after),
      ['created', tenant.created_at],
      ['allowed', tenant.allowed.join(', ') || 'nothing'],
      ['id', tenant.id],
      ['etag', tenant.etag],
    ]),
    ...('provisioning' in tenant ? stepLines(tenant.provisioning) : []),
  ];
}

function stepLines(provisioning: TenantDetails['provisioning']): string[] {
  if (!provisioning) return ['', 'It came from a file, in one step.'];
  const rows = provisioning.steps.map(({ name, state, attempts, duration_ms: ms, error }) => [
    name,
    state,
    String(attempts),
    ms === null ? '' : `${ms} ms`,
    error ?? '',
  ]);
  return ['', ...new Table(['STEP', 'STATE', 'ATTEMPTS', 'TOOK', 'ERROR']).rows(rows)];
}
