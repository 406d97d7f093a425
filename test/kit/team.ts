import { expect } from 'vitest';
import { encodeApiKey } from '../../src/auth/api-keys/api-key.format.js';
import { permissions } from '../../src/auth/index.js';
import { newId, sha256 } from '../../src/common/index.js';
import { CredentialCodec } from '../../src/tenancy/index.js';
import { bearer, type SignedIn } from './sign-in.js';
import type { TestApp } from './test-app.js';
import type { ReceivedMail, TestSmtp } from './test-smtp.js';

/** What people of {@link join} sign in with. */
export const PASSWORD = 'seven blue ladders';

/** The newest mail to an address, once that many have come. */
export async function mailTo(smtp: TestSmtp, address: string, count = 1): Promise<ReceivedMail> {
  await expect.poll(() => smtp.to(address).length, { timeout: 15_000, interval: 20 }).toBe(count);
  return smtp.to(address).at(-1) as ReceivedMail;
}

/** Where the link of a mail leads, host and path, and the token in its fragment. */
export function linkIn(mail: ReceivedMail): { leads: string; token: string } {
  const [link = ''] = /https?:\/\/\S+#token=[\w-]+/.exec(mail.text ?? '') ?? [];
  const url = new URL(link);
  return { leads: url.hostname + url.pathname, token: new URLSearchParams(url.hash.slice(1)).get('token') ?? '' };
}

/** A program of the tenant that holds these permissions. */
export async function program(t: TestApp, slug: string, permissions: string[]): Promise<SignedIn> {
  const { id: tenantId } = await t.tenant(slug);
  const id = newId();
  const key = encodeApiKey(t.app.get(CredentialCodec).mintBytes('api-key', tenantId, id));
  await t.database.admin(
    `INSERT INTO everywhere.api_keys (tenant_id, id, name, hint, key_hash, permissions) VALUES ($1, $2, 'program', '', $3, $4)`,
    [tenantId, id, sha256(key), permissions],
  );
  return bearer(t, slug, key);
}

/** What a program holds that gives others a built-in role: it must hold all of the role that a program can. */
export function programPermissions(role: 'member' | 'viewer'): string[] {
  return permissions()
    .filter(({ roles, peopleOnly }) => roles.includes(role) && !peopleOnly)
    .map(({ name }) => name);
}

/** The id of a user of the tenant, past every layer. */
export async function userId(t: TestApp, slug: string, email: string): Promise<string> {
  const { id } = await t.tenant(slug);
  const rows = await t.database.admin<{ id: string }>(
    'SELECT id FROM everywhere.users WHERE tenant_id = $1 AND email_key = $2',
    [id, email],
  );
  return rows[0]?.id ?? '';
}

/** Invites somebody into the inviter's tenant, accepts in their name, and returns them signed in. */
export async function join(
  t: TestApp,
  smtp: TestSmtp,
  inviter: SignedIn,
  email: string,
  role: string,
): Promise<SignedIn> {
  const invited = await inviter.send('POST', '/api/invitations', { email, role });
  if (invited.status !== 201) throw new Error(`${email} could not be invited: ${invited.text}`);
  const tenant = inviter.headers['x-tenant-id'] ?? '';
  const accepted = await t.request('POST', '/api/invitations/accept', {
    headers: { 'x-tenant-id': tenant },
    body: { token: linkIn(await mailTo(smtp, email)).token, name: `Person at ${email}`, password: PASSWORD },
  });
  if (accepted.status !== 201) throw new Error(`${email} could not accept: ${accepted.text}`);
  return bearer(t, tenant, accepted.json.access_token, accepted.json.refresh_token);
}
