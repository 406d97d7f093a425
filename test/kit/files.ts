import http from 'node:http';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { SignedIn } from './sign-in.js';
import type { TestApp } from './test-app.js';

/** A PNG of one pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export interface Download {
  status: number;
  headers: http.IncomingHttpHeaders;
  bytes: Buffer;
}

/** Any request, for answers that are no texts. */
export function download(
  t: TestApp,
  route: string,
  headers: http.OutgoingHttpHeaders = {},
  method = 'GET',
): Promise<Download> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: t.port, path: route, headers, method, agent: false };
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(chunks) }),
      );
    });
    request.once('error', reject);
    request.end();
  });
}

export function upload(t: TestApp, who: SignedIn, name: string, body: Buffer, headers: http.OutgoingHttpHeaders = {}) {
  const route = `/api/files?name=${encodeURIComponent(name)}`;
  return t.request('POST', route, {
    headers: { 'content-type': 'application/octet-stream', ...who.headers, ...headers },
    body,
  });
}

/** What lies in the folder of files, of one tenant or of all. */
export async function storedFiles(t: TestApp, tenantId = ''): Promise<string[]> {
  const folder = path.join(t.database.env.filesDir!, 't', tenantId);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** Rows in every state. */
export function fileRows(t: TestApp, tenantId: string) {
  return t.database.admin<{ id: string; state: string; bytes: string }>(
    'SELECT id, state, bytes FROM everywhere.tenant_files WHERE tenant_id = $1 ORDER BY id',
    [tenantId],
  );
}

export async function setSettings(t: TestApp, slug: string, settings: Record<string, unknown>): Promise<void> {
  const { id } = await t.tenant(slug);
  await t.database.admin('UPDATE platform.tenants SET settings = settings || $2 WHERE id = $1', [
    id,
    JSON.stringify(settings),
  ]);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
}
