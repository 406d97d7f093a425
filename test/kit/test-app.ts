import type { AddressInfo } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApplication } from '../../src/application.js';
import type { BoundedExpressAdapter } from '../../src/http/index.js';
import { createLogger } from '../../src/logs/index.js';
import type { Product } from '../../src/product.js';
import { type Tenant, TenantDirectory } from '../../src/tenancy/index.js';
import { TenantImport } from '../../src/tenant/index.js';
import { type Answer, type RequestOptions, sendRequest } from '../../src/testing/test.request.js';
import { createTestDatabase, type Overrides, type TestDatabase } from './test-database.js';

export type { Answer } from '../../src/testing/test.request.js';

export interface TestApp {
  app: NestExpressApplication;
  database: TestDatabase;
  port: number;
  /** Every line logged so far. */
  logs: string[];
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Opens a visitor's session and returns its session_id. */
  session(tenant: string): Promise<string>;
  tenant(slug: string): Promise<Tenant>;
  /** Imports tenants as a file would. */
  import(lines: { slug: string; settings?: Record<string, unknown> }[]): Promise<void>;
  close(): Promise<void>;
}

/** The real application on a free port over a database of its own, with the demo tenants (limits lifted). */
export async function createTestApp(
  overrides: Overrides = {},
  keepLimits = false,
  adapter?: BoundedExpressAdapter,
  product?: Product,
): Promise<TestApp> {
  return serveTestApp(await createTestDatabase(overrides, product), keepLimits, adapter, product);
}

/** The same over a database that is there already; closing drops it. */
export async function serveTestApp(
  database: TestDatabase,
  keepLimits = false,
  adapter?: BoundedExpressAdapter,
  product?: Product,
): Promise<TestApp> {
  const logs: string[] = [];
  const logger = createLogger(
    { ...database.env, logLevel: 'debug' },
    {
      write: (line: string) => void logs.push(line),
    },
  );
  const app = await createApplication(database.env, database.prepared, logger, product, adapter);
  if (!keepLimits) {
    await database.admin(`UPDATE platform.tenants SET settings = settings - 'limits.chat_per_10s'`);
    await database.admin(`UPDATE platform.plans SET settings = settings - 'limits.requests_per_hour'`);
    await database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
  }
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const request: TestApp['request'] = (method, path, options) => sendRequest(port, method, path, options);
  return {
    app,
    database,
    port,
    logs,
    request,
    session: async (tenant) => (await request('POST', '/session', { body: { tenant_id: tenant } })).json.session_id,
    tenant: async (slug) => {
      const tenant = await app.get(TenantDirectory).findBySlug(slug);
      if (!tenant) throw new Error(`no tenant ${slug}`);
      return tenant;
    },
    import: async (lines) => {
      const full = lines.map((line) => ({
        name: line.slug,
        plan: undefined,
        extra: {},
        ...line,
        settings: { 'chat.public': true, model: 'mock-1', welcome: '', ...line.settings },
      }));
      await database.keepSpares(lines.length);
      await app.get(TenantImport).import(full, { mode: 'upsert' });
    },
    close: async () => {
      await app.close();
      await database.drop();
    },
  };
}
