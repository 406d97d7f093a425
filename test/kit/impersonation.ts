import { AccessTokens } from '../../src/auth/tokens/access-tokens.js';
import { newId } from '../../src/common/index.js';
import { bearer, type SignedIn, signIn } from './sign-in.js';
import type { TestApp } from './test-app.js';

/** A platform admin who acts as a demo user, with an impersonation that was allowed. */
export async function impersonate(t: TestApp, slug: string, role: string): Promise<SignedIn> {
  const { id: tid } = await t.tenant(slug);
  const sub: string = (await (await signIn(t, slug, role)).get('/api/auth/me')).json.id;
  const [adminId, did] = [newId(), newId()];
  await t.database.admin(
    `INSERT INTO platform.platform_admins (id, email, email_key, name, role) VALUES ($1, $2, $2, 'Support', 'support')`,
    [adminId, `${adminId}@platform.example`],
  );
  await t.database.admin(
    `INSERT INTO platform.impersonations (id, admin_id, tenant_id, user_id, reason, status, minutes, started_at, expires_at)
     VALUES ($1, $2, $3, $4, 'a test', 'active', 30, now(), now() + interval '30 minutes')`,
    [did, adminId, tid, sub],
  );
  const act = { sub: adminId, name: 'Support' };
  const token = t.app.get(AccessTokens, { strict: false }).sign('tenant', { sub, tid, rv: 1, did, act });
  return bearer(t, slug, token);
}
