// The built service as a worker, with one more job: `test.hang` tells that it runs, and does not end where HANG is set.
// SIGUSR2 enqueues one.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { MIGRATIONS } from '../../dist/migrations/index.js';
import { createApplication } from '../../dist/src/application.js';
import { prepareDatabase } from '../../dist/src/database/index.js';
import { loadEnv } from '../../dist/src/env/index.js';
import { PlatformJobHandler, PlatformJobs } from '../../dist/src/jobs/index.js';
import { createLogger } from '../../dist/src/logs/index.js';

class HangingJobs {
  async hang(run) {
    console.error(`\n  test.hang ${run.id} attempt ${run.attempt}`);
    if (process.env.HANG) await new Promise(() => undefined);
  }
}
const method = Object.getOwnPropertyDescriptor(HangingJobs.prototype, 'hang');
PlatformJobHandler({ name: 'test.hang', retries: 3, backoffSeconds: 1, exponential: false })(
  HangingJobs.prototype,
  'hang',
  method,
);
class HangingJobsModule {}
Module({ providers: [HangingJobs] })(HangingJobsModule);

const env = loadEnv();
const database = await prepareDatabase(env, MIGRATIONS);
const app = await createApplication(env, database, createLogger(env), { modules: [HangingJobsModule] });
await app.listen(env.port, env.host);
process.on('SIGUSR2', () => void app.get(PlatformJobs).enqueue('test.hang'));
process.on('SIGTERM', () => void app.close().then(() => process.exit(0)));
console.error(`\n  Health        http://localhost:${app.getHttpServer().address().port}/health/ready`);
