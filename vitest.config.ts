import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    globalSetup: './test/kit/global-setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    // Generous: a busy machine is no reason to fail. What takes long hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', './scripts/vitest-reporter.mjs'],
  },
});
