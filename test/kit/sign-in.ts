import type { Answer, TestApp } from './test-app.js';

export interface SignedIn {
  accessToken: string;
  refreshToken: string;
  /** Headers of a request in the tenant with this token. */
  headers: Record<string, string>;
  get(path: string): Promise<Answer>;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** Signs a demo user in, such as `owner` of acme. */
export async function signIn(t: TestApp, tenant: string, role: string, password = 'demo-password'): Promise<SignedIn> {
  return signInAs(t, tenant, `${role}@${tenant}.example`, password);
}

export async function signInAs(t: TestApp, tenant: string, email: string, password: string): Promise<SignedIn> {
  const answer = await t.request('POST', '/api/auth/login', {
    headers: { 'x-tenant-id': tenant },
    body: { email, password },
  });
  if (answer.status !== 200) throw new Error(`${email} could not sign in: ${answer.status} ${answer.text}`);
  return bearer(t, tenant, answer.json.access_token, answer.json.refresh_token);
}

/** Requests of the tenant under any bearer credential. */
export function bearer(t: TestApp, tenant: string, accessToken: string, refreshToken = ''): SignedIn {
  const headers = { 'x-tenant-id': tenant, authorization: `Bearer ${accessToken}` };
  return {
    accessToken,
    refreshToken,
    headers,
    get: (path) => t.request('GET', path, { headers }),
    send: (method, path, body) => t.request(method, path, { headers, body }),
  };
}
