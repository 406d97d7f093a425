import { TOTP } from 'otpauth';
import { serveTestApp, type Answer, type TestApp } from './test-app.js';
import type { TestDatabase } from './test-database.js';

/** The first platform admin of a test. */
export const ROOT = { email: 'root@platform.example', password: 'seven-quiet-otters-4711' };
export const ROOT_ENV = { PLATFORM_ADMIN_EMAIL: ROOT.email, PLATFORM_ADMIN_PASSWORD: ROOT.password };

export interface SignedInAdmin {
  accessToken: string;
  refreshToken: string;
  headers: Record<string, string>;
  get(path: string): Promise<Answer>;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
}

export const platformLogin = (t: TestApp, email: string, password: string): Promise<Answer> =>
  t.request('POST', '/api/admin/auth/login', { body: { email, password } });

/** Signs a platform admin in, in demo mode: by password alone. */
export async function signInAdmin(t: TestApp, { email, password } = ROOT): Promise<SignedInAdmin> {
  const answer = await platformLogin(t, email, password);
  if (answer.status !== 200) throw new Error(`${email} could not sign in: ${answer.status} ${answer.text}`);
  return adminBearer(t, answer.json.access_token, answer.json.refresh_token);
}

export function adminBearer(t: TestApp, accessToken: string, refreshToken = ''): SignedInAdmin {
  const headers = { authorization: `Bearer ${accessToken}` };
  return {
    accessToken,
    refreshToken,
    headers,
    get: (path) => t.request('GET', path, { headers }),
    send: (method, path, body) => t.request(method, path, { headers, body }),
  };
}

/** Adds an admin with a password of their own, and signs them in. */
export async function addAdmin(
  t: TestApp,
  by: SignedInAdmin,
  name: string,
  role: string,
): Promise<SignedInAdmin & { id: string; email: string; password: string }> {
  const email = `${name}@platform.example`;
  const password = `${name} walks over nine bridges`;
  const created = await by.send('POST', '/api/admin/admins', { email, name, role });
  if (created.status !== 201) throw new Error(`${email} could not be added: ${created.status} ${created.text}`);
  const { id, one_time_password: oneTime } = created.json;
  const first = await signInAdmin(t, { email, password: oneTime });
  const changed = await first.send('POST', '/api/admin/auth/change-password', {
    current_password: oneTime,
    new_password: password,
  });
  if (changed.status !== 204) throw new Error(`${email} could not change the password: ${changed.text}`);
  return { ...(await signInAdmin(t, { email, password })), id, email, password };
}

/** What an authenticator app shows. @param steps of 30 s ahead of now */
export function totpCode(secret: string, steps = 0): string {
  return new TOTP({ secret }).generate({ timestamp: Date.now() + steps * 30_000 });
}

/** Another process's application over the same database; closing it leaves the database. */
export function secondInstance(database: TestDatabase): Promise<TestApp> {
  return serveTestApp({ ...database, drop: () => Promise.resolve() });
}
