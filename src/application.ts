import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger as NestPinoLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { PreparedDatabase } from './database/index.js';
import type { Env } from './env/index.js';
import { BoundedExpressAdapter, buildOpenApi, configureApp, serveOpenApi } from './http/index.js';
import { SessionService } from './session/index.js';
import { TenantDirectory, TenantRunner } from './tenancy/index.js';
import { isReservedSlug, loadDemoTenants, TenantRegistry } from './tenant/index.js';

const RENEW_MS = 6 * 60 * 60 * 1000;

/** The whole application, initialised and not yet listening. */
export async function createApplication(
  env: Env,
  database: PreparedDatabase,
  logger: Logger,
  adapter = new BoundedExpressAdapter(),
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(env, database, logger), adapter, {
    bodyParser: false,
    bufferLogs: true,
    abortOnError: false,
  });
  app.useLogger(app.get(NestPinoLogger));
  configureApp(app, env, logger, isReservedSlug);
  let demoSession: string | undefined;
  serveOpenApi(app, buildOpenApi(app), () => demoSession);
  await app.init();
  if (env.demo) {
    await loadDemoTenants(app.get(TenantRegistry));
    const renew = async (): Promise<void> => {
      demoSession = await openDemoSession(app);
    };
    await renew();
    setInterval(
      () => void renew().catch((error: unknown) => logger.warn({ err: error }, 'No demo session')),
      RENEW_MS,
    ).unref();
  }
  return app;
}

async function openDemoSession(app: NestExpressApplication): Promise<string | undefined> {
  const acme = await app.get(TenantDirectory).findBySlug('acme');
  if (acme?.status !== 'active') return undefined;
  return app.get(TenantRunner).run(acme, async () => {
    const { credential, write } = app.get(SessionService).prepare();
    await write();
    return credential;
  });
}
