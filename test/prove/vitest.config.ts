import path from 'node:path';
import { defineConfig } from 'vitest/config';

const MODELS = ['shared', 'schema', 'database'] as const;
const asked: readonly string[] = process.env['PROVE_MODELS']?.split(',') ?? MODELS;

/** `npm run prove:isolation`: every probe, in each of the three models. */
export default defineConfig({
  test: {
    globalSetup: './test/kit/global-setup.ts',
    maxWorkers: 2,
    reporters: ['default'],
    disableConsoleIntercept: true,
    projects: MODELS.filter((model) => asked.includes(model)).map((model) => ({
      resolve: { alias: { tenantry: path.resolve('src/index.ts') } },
      test: {
        name: model,
        provide: { model },
        environment: 'node',
        pool: 'forks',
        include: ['test/prove/*.prove.ts'],
        // None for a service that is kept up.
        testTimeout: process.env['PROVE_KEEP'] === 'on' ? 0 : 900_000,
        hookTimeout: 300_000,
      },
    })),
  },
});
