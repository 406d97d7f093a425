import { ROOT_ENV } from '../../kit/platform.js';
import type { TestDatabase } from '../../kit/test-database.js';
import { testEnv } from '../../kit/test-env.js';

/** Settings of a service that is to be abused, over those of tests. */
export const ABUSED = {
  ...ROOT_ENV,
  DEMO: 'on',
  // Each request comes from another address, as its X-Forwarded-For says.
  TRUSTED_PROXIES: 'loopback',
  // Nobody asks the name servers of the machine about what was drawn.
  DNS_SERVERS: '127.0.0.1:1',
};

/** The same for a process over a database of a test. */
export function abusedEnv(database: TestDatabase): NodeJS.ProcessEnv {
  const { MASTER_KEY } = testEnv();
  return { ...ABUSED, DATABASE_URL: database.adminUrl, DATA_DIR: database.env.dataDir, MASTER_KEY };
}
