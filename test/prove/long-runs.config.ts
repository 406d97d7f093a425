import { defineConfig } from 'vitest/config';

/** The proofs, each a command of its own (`npm run prove:…`): what `npm test` samples, at length and in one file after the other. */
export default defineConfig({
  test: {
    globalSetup: './test/kit/global-setup.ts',
    fileParallelism: false,
    // Their reports are for people, as they stand.
    disableConsoleIntercept: true,
    projects: [
      {
        test: {
          name: 'shared',
          provide: { model: 'shared' },
          environment: 'node',
          pool: 'forks',
          include: ['test/prove/{abuse,faults}/*.prove.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          expect: { poll: { timeout: 60_000 } },
        },
      },
    ],
  },
});
