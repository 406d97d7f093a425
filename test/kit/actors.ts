import { CredentialCodec, TenantRunner } from '../../src/tenancy/index.js';
import { encodeApiKey } from '../../src/auth/api-keys/api-key.format.js';
import { ApiKey } from '../../src/auth/api-keys/api-key.entity.js';
import { DeviceTokens, PlatformDeviceTokens } from '../../src/auth/devices/device.tokens.js';
import { AdminStates } from '../../src/auth/platform/admin-states.js';
import type { PlatformRole } from '../../src/auth/platform/platform-permissions.js';
import { AccessTokens } from '../../src/auth/tokens/access-tokens.js';
import { User } from '../../src/auth/users/user.entity.js';
import { UserStates } from '../../src/auth/users/user-states.js';
import { newId, sha256 } from '../../src/common/index.js';
import { type TenantRepository, tenantRepositoryToken } from '../../src/tenancy/index.js';
import type { TestApp } from './test-app.js';

const DEVICE = { name: 'a test', address: '127.0.0.1', inCookie: false };

/** A fresh access token of a demo user, without the cost of a password. */
export async function userToken(t: TestApp, slug: string, role: string): Promise<string> {
  const tenant = await t.tenant(slug);
  return t.app.get(TenantRunner).run(tenant, async () => {
    const users = t.app.get<TenantRepository<User>>(tenantRepositoryToken(User));
    const user = await users.findOneBy({ emailKey: `${role}@${slug}.example` });
    if (!user) throw new Error(`${slug} has no ${role}`);
    const { deviceId } = await t.app.get(DeviceTokens).open({ ...DEVICE, userId: user.id });
    await t.app.get(UserStates).changed(user.id);
    return t.app
      .get(AccessTokens)
      .sign('tenant', { sub: user.id, tid: tenant.id, rv: user.tokenVersion, did: deviceId });
  });
}

/** A new API key of the tenant. */
export async function apiKey(t: TestApp, slug: string, permissions: string[]): Promise<string> {
  const tenant = await t.tenant(slug);
  return t.app.get(TenantRunner).run(tenant, async () => {
    const id = newId();
    const key = encodeApiKey(t.app.get(CredentialCodec).mintBytes('api-key', tenant.id, id));
    const keys = t.app.get<TenantRepository<ApiKey>>(tenantRepositoryToken(ApiKey));
    await keys.insert({ id, name: 'a test', hint: '', keyHash: sha256(key), permissions, createdAt: new Date() });
    return key;
  });
}

/** A fresh access token of a platform admin of the role, who is made when missing. */
export async function adminToken(t: TestApp, role: PlatformRole): Promise<string> {
  const email = `${role}@platform.example`;
  const [admin] = await t.database.admin<{ id: string; token_version: number }>(
    `INSERT INTO platform.platform_admins (id, email, email_key, name, role, mfa_enabled_at)
       VALUES ($1, $2, $2, $3, $3, now())
     ON CONFLICT (email_key) DO UPDATE SET name = excluded.name RETURNING id, token_version`,
    [newId(), email, role],
  );
  if (!admin) throw new Error('no admin');
  const { deviceId } = await t.app.get(PlatformDeviceTokens).open({ ...DEVICE, userId: admin.id });
  const states = t.app.get(AdminStates);
  await states.changed(admin.id);
  // The process hears of it a moment after the commit; on a busy machine a request would be faster.
  while (!(await states.find(admin.id))?.devices.has(deviceId)) await new Promise((resolve) => setTimeout(resolve, 5));
  return t.app.get(AccessTokens).sign('platform', { sub: admin.id, rv: admin.token_version, did: deviceId });
}
