import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { LRUCache } from 'lru-cache';
import { Logger as NestPinoLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { DemoUsers, FirstAdmin } from './auth/index.js';
import type { PreparedDatabase } from './database/index.js';
import type { Env } from './env/index.js';
import { BoundedExpressAdapter, buildOpenApi, configureApp, type DemoVisitor, serveOpenApi } from './http/index.js';
import type { Product } from './product.js';
import { SessionService } from './session/index.js';
import { TenantContext, TenantDirectory, TenantRunner } from './tenancy/index.js';
import { DEMO_SLUGS, isReservedSlug, loadDemoTenants, TenantImport } from './tenant/index.js';

const RENEW_MS = 6 * 60 * 60 * 1000;

/**
 * The whole application, initialised and not yet listening.
 *
 * @param database brought to head with the migrations of `product`
 */
export async function createApplication(
  env: Env,
  database: PreparedDatabase,
  logger: Logger,
  product: Product = {},
  adapter = new BoundedExpressAdapter(),
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forRoot(env, database, logger, product),
    adapter,
    {
      bodyParser: false,
      bufferLogs: true,
      abortOnError: false,
    },
  );
  app.useLogger(app.get(NestPinoLogger));
  configureApp(app, env, logger, isReservedSlug, product.streamed);
  if (env.role !== 'worker')
    serveOpenApi(app, () => buildOpenApi(app, product.tags), env.demo ? demoVisitors(app, logger) : undefined);
  await app.init();
  if (env.role === 'worker') return app;
  try {
    await app.get(FirstAdmin).fromEnv();
  } catch (error) {
    await app.close();
    throw error;
  }
  if (env.demo) {
    await loadDemoTenants(app.get(TenantImport));
    const found = await Promise.all(DEMO_SLUGS.map((slug) => app.get(TenantDirectory).findBySlug(slug)));
    await app.get(DemoUsers).load(found.filter((tenant) => tenant?.status === 'active').map((tenant) => tenant!));
  }
  return app;
}

/** Opens the sessions that the pages of the demo use: of the tenant whose address it is, else of the first. */
function demoVisitors(app: NestExpressApplication, logger: Logger): () => Promise<DemoVisitor | undefined> {
  const visitors = new LRUCache<string, DemoVisitor>({
    max: 100,
    ttl: RENEW_MS,
    fetchMethod: async (slug) => {
      const tenant = await app.get(TenantDirectory).findBySlug(slug);
      if (tenant?.status !== 'active') return undefined;
      return app.get(TenantRunner).run(tenant, async () => {
        const { credential, write } = app.get(SessionService).prepare();
        await write();
        return { tenant: slug, session: credential };
      });
    },
  });
  return async () => {
    try {
      return await visitors.fetch(app.get(TenantContext).current()?.slug ?? DEMO_SLUGS[0]!);
    } catch (error) {
      logger.warn({ err: error }, 'No demo session');
      return undefined;
    }
  };
}
