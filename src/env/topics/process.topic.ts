import path from 'node:path';
import type { EnvReader, Variable } from '../env.reader.js';

const ROLES = ['all', 'api', 'worker'] as const;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export type ProcessRole = (typeof ROLES)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What this process does, and how it is reached. */
export interface ProcessEnv {
  /** What the process does: serve requests, work in the background, or both; `command`: only what it was called for. */
  role: ProcessRole | 'command';
  host: string;
  port: number;
  metricsPort: number;
  publicUrl: string;
  trustedProxies: string[];
  dataDir: string;
  logLevel: LogLevel;
}

export const PROCESS_VARIABLES: readonly Variable[] = [
  {
    name: 'ROLE',
    example: 'all',
    allowed: ROLES.join(', '),
    about:
      'api serves requests only; worker works jobs, outbox and purges and serves only /health and /metrics on PORT; ' +
      'both need DATABASE_URL',
  },
  { name: 'HOST', example: '', allowed: 'an address to listen on', about: '127.0.0.1 in demo mode, otherwise 0.0.0.0' },
  { name: 'PORT', example: '8001', allowed: 'an integer from 0 to 65535', about: 'the API; 0 picks a free port' },
  {
    name: 'METRICS_PORT',
    example: '',
    allowed: 'an integer from 0 to 65535',
    about: 'Prometheus metrics, on HOST as well; default PORT + 1000',
  },
  {
    name: 'PUBLIC_URL',
    example: 'http://localhost:8001',
    allowed: 'an absolute http(s) URL',
    about: 'how the service is reached from outside; links are built from it',
  },
  {
    name: 'TRUSTED_PROXIES',
    example: '',
    allowed: 'comma-separated addresses or CIDR ranges',
    about: 'whose X-Forwarded-* headers are believed; empty: nobody',
  },
  { name: 'DATA_DIR', example: '.data', allowed: 'a folder', about: 'the embedded database, keys and logs live here' },
  { name: 'LOG_LEVEL', example: 'info', allowed: LOG_LEVELS.join(', '), about: 'JSON logs on standard output' },
];

/** @param around.cwd the folder that DATA_DIR is relative to */
export function readProcess(from: EnvReader, around: { cwd: string; demo: boolean }): ProcessEnv {
  const port = from.integer('PORT', 8001, 0, 65_535);
  const metricsFallback = port === 0 ? 0 : port + 1000 > 65_535 ? port - 1000 : port + 1000;
  const role = from.oneOf('ROLE', ROLES, 'all');
  if (role !== 'all' && from.text('DATABASE_URL') === undefined) {
    from.problem(`ROLE="${role}" needs DATABASE_URL: the embedded database serves one process; use ROLE=all.`);
  }
  const trustedProxies = from.list('TRUSTED_PROXIES');
  if (trustedProxies.some((part) => !/^([0-9a-f:.]+)(\/\d{1,3})?$|^(loopback|linklocal|uniquelocal)$/i.test(part))) {
    from.wrong('TRUSTED_PROXIES');
  }
  return {
    role,
    host: from.text('HOST') ?? (around.demo ? '127.0.0.1' : '0.0.0.0'),
    port,
    metricsPort: from.integer('METRICS_PORT', metricsFallback, 0, 65_535),
    publicUrl: from.url('PUBLIC_URL', ['http:', 'https:']) ?? `http://localhost:${port}`,
    trustedProxies,
    dataDir: path.resolve(around.cwd, from.text('DATA_DIR') ?? '.data'),
    logLevel: from.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
  };
}
