import type { EnvReader, Variable } from '../env.reader.js';
import type { ModeEnv } from './mode.topic.js';

/** The database, and the key that what is secret in it derives from. */
export interface DatabaseEnv {
  /** Unset: the embedded PostgreSQL is used. */
  databaseUrl: string | undefined;
  databaseDirectUrl: string | undefined;
  /** Whether connections keep hot statements prepared. */
  preparedStatements: boolean;
  databasePoolSize: number;
  databaseMaxConnections: number;
  databaseTenantConnections: number;
  masterKey: string | undefined;
  /** Accepted beside it while it is being replaced. */
  masterKeyPrevious: string | undefined;
}

export const DATABASE_VARIABLES: readonly Variable[] = [
  {
    name: 'DATABASE_URL',
    example: '',
    allowed: 'a postgres:// or postgresql:// URL (PostgreSQL 15 or newer)',
    about: 'unset: an embedded PostgreSQL 18 is started on a free loopback port',
  },
  {
    name: 'DATABASE_DIRECT_URL',
    example: '',
    allowed: 'a postgres:// or postgresql:// URL',
    about: 'the same database past any transaction-mode pooler, for migrations and LISTEN; default DATABASE_URL',
  },
  {
    name: 'DATABASE_PREPARED_STATEMENTS',
    example: '',
    allowed: 'on or off',
    about:
      'connections keep hot statements parsed and planned; default on, but off with a DATABASE_DIRECT_URL of its own, ' +
      'since a transaction-mode pooler must know how (PgBouncer does from 1.21 on, with max_prepared_statements)',
  },
  {
    name: 'DATABASE_POOL_SIZE',
    example: '10',
    allowed: 'an integer from 1 to 1000',
    about: 'connections of this process to the shared tables of a server',
  },
  {
    name: 'DB_MAX_CONNECTIONS',
    example: '50',
    allowed: 'an integer greater than DATABASE_POOL_SIZE, at most 10000',
    about:
      'connections of this process for the work of tenants, those with a database or login role of their own included; ' +
      'idle ones give way to those that are needed',
  },
  {
    name: 'DB_TENANT_CONNECTIONS',
    example: '4',
    allowed: 'an integer from 1 to 1000',
    about: 'connections of this process for one tenant with a database or login role of its own',
  },
  {
    name: 'MASTER_KEY',
    example: '',
    allowed: 'at least 32 characters',
    about: 'opens the root key, of which all others derive; made into DATA_DIR when unset, required in production',
  },
  {
    name: 'MASTER_KEY_PREVIOUS',
    example: '',
    allowed: 'at least 32 characters',
    about:
      'the MASTER_KEY before, accepted beside it while it is being replaced (npm run tenantry -- master-key rotate)',
  },
];

const PROTOCOLS = ['postgres:', 'postgresql:'];

export function readDatabase(from: EnvReader, { nodeEnv }: Pick<ModeEnv, 'nodeEnv'>): DatabaseEnv {
  const databaseUrl = from.url('DATABASE_URL', PROTOCOLS);
  if (from.text('DATABASE_DIRECT_URL') !== undefined && from.text('DATABASE_URL') === undefined) {
    from.problem('DATABASE_DIRECT_URL is of no use without DATABASE_URL; set both or neither.');
  }
  const masterKey = from.text('MASTER_KEY');
  if (masterKey !== undefined && masterKey.length < 32) from.wrong('MASTER_KEY');
  const masterKeyPrevious = from.text('MASTER_KEY_PREVIOUS');
  if (masterKeyPrevious !== undefined && masterKeyPrevious.length < 32) from.wrong('MASTER_KEY_PREVIOUS');
  if (masterKey === undefined && nodeEnv === 'production') {
    from.problem('MASTER_KEY is required with NODE_ENV=production; use at least 32 random characters.');
  }
  const databaseDirectUrl = from.url('DATABASE_DIRECT_URL', PROTOCOLS) ?? databaseUrl;
  const prepares = from.oneOf(
    'DATABASE_PREPARED_STATEMENTS',
    ['on', 'off'],
    databaseDirectUrl === databaseUrl ? 'on' : 'off',
  );
  const databasePoolSize = from.integer('DATABASE_POOL_SIZE', 10, 1, 1000);
  const databaseMaxConnections = from.integer('DB_MAX_CONNECTIONS', databasePoolSize + 40, 1, 10_000);
  if (databaseMaxConnections <= databasePoolSize) from.wrong('DB_MAX_CONNECTIONS');
  return {
    databaseUrl,
    databaseDirectUrl,
    preparedStatements: prepares === 'on',
    databasePoolSize,
    databaseMaxConnections,
    databaseTenantConnections: from.integer('DB_TENANT_CONNECTIONS', 4, 1, 1000),
    masterKey,
    masterKeyPrevious,
  };
}
