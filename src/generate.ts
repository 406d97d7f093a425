import 'reflect-metadata';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import pg from 'pg';
import { pino } from 'pino';
import { MIGRATIONS } from '../migrations/index.js';
import { AppModule } from './app.module.js';
import { accessMap } from './auth/index.js';
import { cliReference } from './cli/index.js';
import { prepareDatabase, type PreparedDatabase, snapshotCatalog } from './database/index.js';
import { envExample, parseEnv } from './env/index.js';
import { BoundedExpressAdapter, buildOpenApi } from './http/index.js';

/** Writes the generated files, or with `--check` fails when they differ from what is committed. */
async function main(): Promise<void> {
  const check = process.argv.includes('--check');
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-generate-'));
  const env = parseEnv({ DATA_DIR: dataDir, DEMO: 'off', LOG_LEVEL: 'silent', METRICS_PORT: '0' });
  const database = await prepareDatabase(env, MIGRATIONS);
  let drift = 0;
  try {
    const app = await NestFactory.create<NestExpressApplication>(
      AppModule.forRoot(env, database, pino({ level: 'silent' })),
      new BoundedExpressAdapter(),
      { bodyParser: false, logger: false, abortOnError: false },
    );
    await app.init();
    const files: [string, string][] = [
      ['.env.example', envExample()],
      ['docs/cli.md', cliReference()],
      ['docs/generated/openapi.json', `${JSON.stringify(buildOpenApi(app), null, 2)}\n`],
      ['docs/generated/access-map.json', `${JSON.stringify(accessMap(app), null, 2)}\n`],
      ['docs/generated/schema.sql', await schema(database)],
    ];
    await app.close();
    for (const [file, text] of files) {
      const current = await readFile(file, 'utf8').catch(() => '');
      if (current === text) continue;
      drift += 1;
      if (check) console.error(`${file} differs from what the code generates; run npm run generate and commit it.`);
      else await writeFile(file, text);
    }
  } finally {
    await database.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  if (check && drift > 0) process.exitCode = 1;
  else console.log(check ? 'Generated files are up to date.' : `${drift} generated files written.`);
}

async function schema(database: PreparedDatabase): Promise<string> {
  const client = new pg.Client({ connectionString: database.url('migrator', true) });
  await client.connect();
  try {
    return await snapshotCatalog(client, database.roles.installation);
  } finally {
    await client.end();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
