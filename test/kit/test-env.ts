export const TEMPLATE = 'tenantry_template';

/** A whole environment, so that nothing of the machine's own leaks into a test. */
export function testEnv(overrides: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    HOST: '127.0.0.1',
    DATABASE_POOL_SIZE: '5',
    WARM_SCHEMAS: '0',
    WARM_DATABASES: '0',
    LOG_LEVEL: 'silent',
    MASTER_KEY: 'a-master-key-for-tests-of-32-characters',
    ...overrides,
  };
}

export function withDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.toString();
}
