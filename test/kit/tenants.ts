import { expect, vi } from 'vitest';
import { TenantLifecycle, TenantPurge } from '../../src/tenant/index.js';
import type { SignedInAdmin } from './platform.js';
import type { Answer, TestApp } from './test-app.js';

export const OWNER = { email: 'ada@umbrella.example', name: 'Ada Owner' };

/** Asks for a tenant, and answers as the API does. */
export function createTenant(admin: SignedInAdmin, slug: string, more: Record<string, unknown> = {}): Promise<Answer> {
  return admin.send('POST', '/api/admin/tenants', { slug, name: `${slug} Ltd`, owner: OWNER, ...more });
}

/** Waits until the tenant is in one of these statuses, and answers with what the API says of it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into bodies of every shape
export async function untilStatus(admin: SignedInAdmin, slug: string, ...statuses: string[]): Promise<any> {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 25))) {
    const { json } = await admin.get(`/api/admin/tenants/${slug}`);
    if (statuses.includes(json.status)) return json;
    if (Date.now() > end) throw new Error(`${slug} did not become ${statuses.join(' or ')}: ${JSON.stringify(json)}`);
  }
}

/** Archives a tenant and has it erased without its days of grace; returns once nothing waits for that any more. */
export async function eraseAtOnce(t: TestApp, slug: string): Promise<void> {
  const lifecycle = t.app.get(TenantLifecycle);
  await lifecycle.apply(slug, 'archive');
  await lifecycle.scheduleDeletion(slug, slug);
  await vi.waitFor(
    async () => {
      await t.database.admin('UPDATE platform.tenants SET purge_after = now() WHERE purge_after IS NOT NULL');
      await t.app.get(TenantPurge).runDue();
      expect(await t.database.admin('SELECT slug FROM platform.tenants WHERE purge_after IS NOT NULL')).toEqual([]);
    },
    { timeout: 20_000 },
  );
}
