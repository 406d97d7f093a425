/**
 * For tests of what is built on Tenantry, from `tenantry/testing`. See docs/public-api.md.
 *
 * @packageDocumentation
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApplication } from '../application.js';
import { prepareDatabase } from '../database/index.js';
import { parseEnv } from '../env/index.js';
import { createLogger } from '../logs/index.js';
import { migrationsOf, type Product } from '../product.js';
import { TenantDirectory, TenantRunner } from '../tenancy/index.js';
import { type Answer, type RequestOptions, sendRequest } from './test.request.js';

export type { Answer, RequestOptions } from './test.request.js';

/** Somebody who is signed in at a tenant. */
export interface Caller {
  /** Of each of their requests: the tenant and the credential. */
  headers: Record<string, string>;
  /** Asks for what is at a path, with its query. */
  get(path: string): Promise<Answer>;
  /** Sends a request with any method, and a body as JSON. */
  send(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** The application, served on a port of this machine over a database of its own. */
export interface ProductTest {
  /** Of Nest: `app.get(PetsService)`. */
  app: NestExpressApplication;
  /** Where it is served on 127.0.0.1. */
  port: number;
  /** Every line of the log so far, as JSON. */
  logs: readonly string[];
  /** A request by nobody in particular. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /**
   * Signs a user of the demo in.
   *
   * @param tenant `acme`, `globex` or `initech`
   * @param role owner, admin, member or viewer: there is one of each
   * @throws Error when the sign-in is refused
   */
  signIn(tenant: string, role: string): Promise<Caller>;
  /**
   * Runs `work` in the scope of a tenant, as a request of it would.
   *
   * @throws Error when there is no such tenant
   */
  inTenant<T>(slug: string, work: () => Promise<T>): Promise<T>;
  /** Ends the application, and removes its database and files. */
  close(): Promise<void>;
}

/** Nothing of the machine's own: a test is the same everywhere. */
const VARIABLES: NodeJS.ProcessEnv = {
  NODE_ENV: 'test',
  PORT: '0',
  METRICS_PORT: '0',
  HOST: '127.0.0.1',
  DEMO: 'on',
  DATABASE_POOL_SIZE: '5',
  WARM_SCHEMAS: '0',
  WARM_DATABASES: '0',
  MASTER_KEY: 'a-master-key-for-tests-of-32-characters',
};

/**
 * Starts a product for a test file, with the tenants and users of the demo. It starts a PostgreSQL of its own in a folder for
 * temporary files, which takes seconds: once for a file, and not for each test.
 *
 * @param product what is built on Tenantry
 * @param variables of the environment that the test is about; with `DATABASE_URL` that server is used, and its database kept
 * @throws EnvError, DatabaseSetupError
 */
export async function startProductTest(product: Product, variables: NodeJS.ProcessEnv = {}): Promise<ProductTest> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-test-'));
  const ends: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const env = parseEnv({ ...VARIABLES, DATA_DIR: folder, ...variables });
    const database = await prepareDatabase(env, migrationsOf(product));
    ends.push(() => database.stop());
    const logs: string[] = [];
    const logger = createLogger(env, { write: (line: string) => void logs.push(line) });
    const app = await createApplication(env, database, logger, product);
    ends.push(() => app.close());
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const request: ProductTest['request'] = (method, route, options) => sendRequest(port, method, route, options);
    return {
      app,
      port,
      logs,
      request,
      signIn: (tenant, role) =>
        signIn(request, tenant, { email: `${role}@${tenant}.example`, password: env.demoPassword }),
      inTenant: async (slug, work) => {
        const tenant = await app.get(TenantDirectory).findBySlug(slug);
        if (!tenant) throw new Error(`There is no tenant ${slug}.`);
        return app.get(TenantRunner).run(tenant, work);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function signIn(request: ProductTest['request'], tenant: string, body: object): Promise<Caller> {
  const answer = await request('POST', '/api/auth/login', { headers: { 'x-tenant-id': tenant }, body });
  if (answer.status !== 200) throw new Error(`The sign-in was refused: ${answer.status} ${answer.text}`);
  const { access_token: token } = answer.json as { access_token: string };
  const headers = { 'x-tenant-id': tenant, authorization: `Bearer ${token}` };
  return {
    headers,
    get: (path) => request('GET', path, { headers }),
    send: (method, path, body) => request(method, path, { headers, body }),
  };
}
