import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApplication } from './application.js';
import { FirstAdmin } from './auth/index.js';
import type { PreparedDatabase } from './database/index.js';
import type { Env } from './env/index.js';
import { createLogger } from './logs/index.js';
import { MetricsService } from './metrics/index.js';
import type { Product } from './product.js';
import { shutDown } from './shutdown.js';

/** From the making of the application to its end, which a signal brings about, also before it listens. */
export async function serve(
  env: Env,
  database: PreparedDatabase,
  product: Product,
  stopping: AbortSignal,
): Promise<void> {
  const logger = createLogger(env);
  const app = await createApplication(env, database, logger, product);
  if (!stopping.aborted) {
    await app.listen(env.port, env.host);
    // Only now: a start that fails on its port must not use up the one-time password.
    if (env.role === 'worker') workerBanner(app);
    else banner(env, app, await app.get(FirstAdmin).withOneTimePassword());
    if (!stopping.aborted) await once(stopping, 'abort');
  }
  await shutDown(app, logger);
}

function workerBanner(app: NestExpressApplication): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const base = `http://localhost:${port}`;
  console.error(`\n  Tenantry worker\n  Health        ${base}/health/ready\n  Metrics       ${base}/metrics\n`);
}

/** On standard error, past the log: it may hold passwords. */
function banner(env: Env, app: NestExpressApplication, admin?: { email: string; password: string }): void {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const base = env.port === port ? env.publicUrl : `http://localhost:${port}`;
  const lines = [
    '',
    `  Tenantry      ${base}`,
    `  Swagger UI    ${base}/docs`,
    `  OpenAPI       ${base}/openapi.json`,
    `  Health        ${base}/health/ready`,
    `  Metrics       http://localhost:${app.get(MetricsService).port}/metrics`,
    '',
    ...(env.demo
      ? [`  Demo users    owner@acme.example, member@globex.example, … (password ${env.demoPassword})`, '']
      : []),
    ...(admin ? [`  Admin         ${admin.email} (one-time password ${admin.password}, shown only now)`, ''] : []),
    '  Try it:',
    `  curl -s -X POST ${base}/session -H 'Content-Type: application/json' -d '{"tenant_id":"acme"}'`,
    '',
  ];
  console.error(lines.join('\n'));
}
