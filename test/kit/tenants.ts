import type { SignedInAdmin } from './platform.js';
import type { Answer } from './test-app.js';

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
