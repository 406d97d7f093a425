import { Resolver } from 'node:dns';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { isSmtpUrl, mailHost, parseSender } from './mail.js';

/** What the process was told from outside, parsed once. Nothing else in the code reads `process.env`. */
export interface Env {
  nodeEnv: 'development' | 'test' | 'production';
  /** What the process does: serve requests, work in the background, or both; `command`: only what it was called for. */
  role: ProcessRole | 'command';
  host: string;
  port: number;
  metricsPort: number;
  publicUrl: string;
  dataDir: string;
  /** Unset: the embedded PostgreSQL is used. */
  databaseUrl: string | undefined;
  databaseDirectUrl: string | undefined;
  /** Whether connections keep hot statements prepared. */
  preparedStatements: boolean;
  databasePoolSize: number;
  databaseMaxConnections: number;
  databaseTenantConnections: number;
  masterKey: string | undefined;
  baseDomain: string;
  /** How a request names its tenant, in the order in which it is asked. */
  tenantStrategies: TenantStrategy[];
  /** Unset: those of the machine. */
  dnsServers: string[] | undefined;
  /** Unset: mails are written to files under DATA_DIR/mail. */
  smtpUrl: string | undefined;
  mailFrom: { name: string; address: string };
  trustedProxies: string[];
  logLevel: LogLevel;
  demo: boolean;
  /** Of every demo user. */
  demoPassword: string;
  /** The first platform admin, made when there is none yet. */
  platformAdmin: { email: string; password: string } | undefined;
  tenantCacheSize: number;
  /** How long the platform's own audit events are kept, in days. */
  auditRetentionDays: number;
  /** How long a renamed tenant's old slug leads to the new one, in days. */
  slugRedirectDays: number;
  /** How long after the request to delete it an archived tenant can still be restored, in days. */
  tenantDeletionGraceDays: number;
  /** Who may sign up. */
  signup: 'open' | 'invite' | 'closed';
  /** Plans that a customer may choose; the first is the default. */
  signupPlans: string[];
  /** Whether what signs up is a trial. */
  signupTrial: boolean;
  /** Password hashes computed at the same time. */
  passwordHashConcurrency: number;
  /** Password hashes that may wait for their turn. */
  passwordHashQueue: number;
}

const TENANT_STRATEGIES = ['domain', 'subdomain', 'path', 'header', 'token', 'api-key', 'body'] as const;
export type TenantStrategy = (typeof TENANT_STRATEGIES)[number];

export type ProcessRole = 'all' | 'api' | 'worker';
/** Whether the process works jobs, outbox, provisioning and purges of its own accord. */
export function worksInBackground({ role }: Pick<Env, 'role'>): boolean {
  return role === 'all' || role === 'worker';
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

export class EnvError extends Error {
  constructor(readonly problems: string[]) {
    super(`The environment is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'EnvError';
  }
}

interface Variable {
  name: string;
  /** Shown in `.env.example`; empty means "unset". */
  example: string;
  allowed: string;
  about: string;
}

const ROLES = ['all', 'api', 'worker'] as const;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** Every variable, in the order of `.env.example`, which is generated from this list. */
export const VARIABLES: readonly Variable[] = [
  { name: 'NODE_ENV', example: '', allowed: 'development, test or production', about: 'production refuses demo mode' },
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
  { name: 'DATA_DIR', example: '.data', allowed: 'a folder', about: 'the embedded database, keys and logs live here' },
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
    about: 'keys for credentials and roles derive from it; made into DATA_DIR when unset, required in production',
  },
  {
    name: 'BASE_DOMAIN',
    example: 'localhost',
    allowed: 'a domain name',
    about: '<slug>.BASE_DOMAIN reaches that tenant',
  },
  {
    name: 'TENANT_STRATEGIES',
    example: TENANT_STRATEGIES.join(','),
    allowed: `some of ${TENANT_STRATEGIES.join(', ')}, comma-separated`,
    about: 'how a request may name its tenant, in the order in which they are asked; those that answer must agree',
  },
  {
    name: 'DNS_SERVERS',
    example: '',
    allowed: 'comma-separated addresses, each with an optional port, such as 9.9.9.9,[2620:fe::fe]:53',
    about: "who is asked for the proofs of custom domains; unset: the machine's own resolvers",
  },
  {
    name: 'SMTP_URL',
    example: '',
    allowed: 'smtp://[user:password@]host[:port] or smtps://…, special characters percent-encoded',
    about: 'where mail is handed over, always under TLS except on loopback; unset: files under DATA_DIR/mail',
  },
  {
    name: 'MAIL_FROM',
    example: '',
    allowed: 'an address such as no-reply@example.com, or Name <no-reply@example.com>',
    about: 'the sender of mail; default Tenantry <no-reply@(host of PUBLIC_URL)>',
  },
  {
    name: 'TRUSTED_PROXIES',
    example: '',
    allowed: 'comma-separated addresses or CIDR ranges',
    about: 'whose X-Forwarded-* headers are believed; empty: nobody',
  },
  { name: 'LOG_LEVEL', example: 'info', allowed: LOG_LEVELS.join(', '), about: 'JSON logs on standard output' },
  {
    name: 'DEMO',
    example: '',
    allowed: 'on or off',
    about: 'loads the missing demo tenants of tenants.jsonl; on by default only with the embedded database',
  },
  {
    name: 'DEMO_PASSWORD',
    example: 'demo-password',
    allowed: 'at least 8 characters',
    about: 'of the demo users owner@, admin@, member@ and viewer@<slug>.example, which exist in demo mode only',
  },
  {
    name: 'PLATFORM_ADMIN_EMAIL',
    example: '',
    allowed: 'an e-mail address such as admin@example.com',
    about:
      'the first platform admin, made when there is none yet; unset with the embedded database: admin@(host of ' +
      'PUBLIC_URL) with a one-time password on the screen of the first start',
  },
  {
    name: 'PLATFORM_ADMIN_PASSWORD',
    example: '',
    allowed: 'at least 8 characters; outside demo mode at least 10, and none of those that are tried first',
    about: 'the password of PLATFORM_ADMIN_EMAIL; set both or neither',
  },
  {
    name: 'TENANT_CACHE_SIZE',
    example: '250000',
    allowed: 'an integer from 1 to 10000000',
    about: 'entries of the in-process tenant look-up cache',
  },
  {
    name: 'AUDIT_RETENTION_DAYS',
    example: '730',
    allowed: 'an integer from 30 to 3650',
    about: "days the platform's audit events are kept; a tenant's own follow its setting audit.retention_days",
  },
  {
    name: 'SLUG_REDIRECT_DAYS',
    example: '90',
    allowed: 'an integer from 0 to 3650',
    about: "days for which a renamed tenant's old slug leads to the new one",
  },
  {
    name: 'TENANT_DELETION_GRACE_DAYS',
    example: '30',
    allowed: 'an integer from 0 to 3650',
    about: 'days for which an archived tenant can still be restored after it was asked to be deleted',
  },
  {
    name: 'SIGNUP',
    example: '',
    allowed: 'open, invite or closed',
    about: 'who may sign up: anybody, whoever has an invite code, nobody; open in demo mode, otherwise closed',
  },
  {
    name: 'SIGNUP_PLAN',
    example: 'free',
    allowed: 'names of plans, comma-separated',
    about: 'the plans a customer may choose at the sign-up; the first is the default',
  },
  {
    name: 'SIGNUP_TRIAL',
    example: 'on',
    allowed: 'on or off',
    about: 'whether what signs up is a trial, which ends after the trial_days of its plan',
  },
  {
    name: 'PASSWORD_HASH_CONCURRENCY',
    example: '',
    allowed: 'an integer from 1 to 1024',
    about:
      'password hashes at the same time, 19 MiB and one thread each; default cores - 1, and no more than the threads ' +
      'of UV_THREADPOOL_SIZE (4) - 1',
  },
  {
    name: 'PASSWORD_HASH_QUEUE',
    example: '64',
    allowed: 'an integer from 0 to 100000',
    about: 'password hashes that may wait; a sign-in past that is answered 503',
  },
];

/**
 * Parses the environment into an {@link Env}.
 *
 * @throws EnvError naming every wrong variable, its value and what is allowed
 */
export function parseEnv(source: NodeJS.ProcessEnv, cwd = process.cwd()): Env {
  const problems: string[] = [];
  const raw = (name: string): string | undefined => {
    const value = source[name]?.trim();
    return value ? value : undefined;
  };
  const wrong = (name: string): void => {
    const variable = VARIABLES.find((candidate) => candidate.name === name);
    // A key or a URL with a password must not reach a screen, least of all when it does not parse.
    const shown = /KEY|PASSWORD$|DATABASE|SMTP/.test(name) ? '***' : (raw(name) ?? '');
    problems.push(`${name}="${shown}" is not allowed; use ${variable?.allowed ?? 'another value'}.`);
  };
  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const value = raw(name);
    if (value === undefined) return fallback;
    if (!/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max) {
      wrong(name);
      return fallback;
    }
    return Number(value);
  };
  const url = (name: string, protocols: string[]): string | undefined => {
    const value = raw(name);
    if (value === undefined) return undefined;
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
      wrong(name);
      return undefined;
    }
    return value;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const value = raw(name) as T | undefined;
    if (value === undefined) return fallback;
    if (!values.includes(value)) wrong(name);
    return value;
  };

  const nodeEnv = oneOf('NODE_ENV', ['development', 'test', 'production'] as const, 'development');
  const databaseUrl = url('DATABASE_URL', ['postgres:', 'postgresql:']);
  if (raw('DATABASE_DIRECT_URL') !== undefined && raw('DATABASE_URL') === undefined) {
    problems.push('DATABASE_DIRECT_URL is of no use without DATABASE_URL; set both or neither.');
  }
  const demoText = oneOf('DEMO', ['on', 'off', 'true', 'false', '1', '0'] as const, databaseUrl ? 'off' : 'on');
  const demoAsked = raw('DEMO') !== undefined;
  let demo = ['on', 'true', '1'].includes(demoText);
  if (nodeEnv === 'production' && demo) {
    if (demoAsked) problems.push(`DEMO="${demoText}" is refused with NODE_ENV=production; use DEMO=off.`);
    demo = false;
  }
  const masterKey = raw('MASTER_KEY');
  if (masterKey !== undefined && masterKey.length < 32) wrong('MASTER_KEY');
  if (masterKey === undefined && nodeEnv === 'production') {
    problems.push('MASTER_KEY is required with NODE_ENV=production; use at least 32 random characters.');
  }
  if ((raw('DEMO_PASSWORD') ?? 'demo-password').length < 8) wrong('DEMO_PASSWORD');
  const adminEmail = raw('PLATFORM_ADMIN_EMAIL');
  const adminPassword = raw('PLATFORM_ADMIN_PASSWORD');
  if (adminEmail !== undefined && parseSender(adminEmail)?.address !== adminEmail) wrong('PLATFORM_ADMIN_EMAIL');
  if (adminPassword !== undefined && adminPassword.length < 8) wrong('PLATFORM_ADMIN_PASSWORD');
  if ((adminEmail === undefined) !== (adminPassword === undefined)) {
    problems.push('PLATFORM_ADMIN_EMAIL and PLATFORM_ADMIN_PASSWORD belong together; set both or neither.');
  }
  const baseDomain = (raw('BASE_DOMAIN') ?? 'localhost').toLowerCase();
  if (!/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(baseDomain)) {
    wrong('BASE_DOMAIN');
  }
  const proxies = list(raw('TRUSTED_PROXIES'));
  if (proxies.some((part) => !/^([0-9a-f:.]+)(\/\d{1,3})?$|^(loopback|linklocal|uniquelocal)$/i.test(part))) {
    wrong('TRUSTED_PROXIES');
  }
  const strategies = list(raw('TENANT_STRATEGIES')) as TenantStrategy[];
  const doubled = new Set(strategies).size !== strategies.length;
  if (doubled || strategies.some((name) => !TENANT_STRATEGIES.includes(name))) wrong('TENANT_STRATEGIES');
  const dnsServers = list(raw('DNS_SERVERS'));
  if (!areDnsServers(dnsServers)) wrong('DNS_SERVERS');
  const signupPlans = (raw('SIGNUP_PLAN') ?? 'free').split(',').map((part) => part.trim());
  if (signupPlans.some((plan) => !/^[a-z][a-z0-9-]*$/.test(plan))) wrong('SIGNUP_PLAN');
  const signupTrial = oneOf('SIGNUP_TRIAL', ['on', 'off', 'true', 'false', '1', '0'] as const, 'on');
  const databaseDirectUrl = url('DATABASE_DIRECT_URL', ['postgres:', 'postgresql:']) ?? databaseUrl;
  const prepares = oneOf(
    'DATABASE_PREPARED_STATEMENTS',
    ['on', 'off'],
    databaseDirectUrl === databaseUrl ? 'on' : 'off',
  );
  const databasePoolSize = integer('DATABASE_POOL_SIZE', 10, 1, 1000);
  const databaseMaxConnections = integer('DB_MAX_CONNECTIONS', databasePoolSize + 40, 1, 10_000);
  if (databaseMaxConnections <= databasePoolSize) wrong('DB_MAX_CONNECTIONS');
  const port = integer('PORT', 8001, 0, 65_535);
  const metricsFallback = port === 0 ? 0 : port + 1000 > 65_535 ? port - 1000 : port + 1000;
  // One core and one thread of libuv's pool stay free: sign-ins must not starve requests, nor file and DNS look-ups.
  const poolThreads = Number(raw('UV_THREADPOOL_SIZE') ?? 4) || 4;
  const hashThreads = Math.max(1, Math.min(availableParallelism(), poolThreads) - 1);
  const publicUrl = url('PUBLIC_URL', ['http:', 'https:']) ?? `http://localhost:${port}`;
  const smtpUrl = url('SMTP_URL', ['smtp:', 'smtps:']);
  if (smtpUrl && !isSmtpUrl(smtpUrl)) wrong('SMTP_URL');
  const mailFrom = parseSender(raw('MAIL_FROM') ?? `Tenantry <no-reply@${mailHost(publicUrl)}>`);
  if (!mailFrom) wrong('MAIL_FROM');
  const role = oneOf('ROLE', ROLES, 'all');
  if (role !== 'all' && databaseUrl === undefined && raw('DATABASE_URL') === undefined) {
    problems.push(`ROLE="${role}" needs DATABASE_URL: the embedded database serves one process; use ROLE=all.`);
  }
  const env: Env = {
    nodeEnv,
    role,
    host: raw('HOST') ?? (demo ? '127.0.0.1' : '0.0.0.0'),
    port,
    metricsPort: integer('METRICS_PORT', metricsFallback, 0, 65_535),
    publicUrl,
    dataDir: path.resolve(cwd, raw('DATA_DIR') ?? '.data'),
    databaseUrl,
    databaseDirectUrl,
    preparedStatements: prepares === 'on',
    databasePoolSize,
    databaseMaxConnections,
    databaseTenantConnections: integer('DB_TENANT_CONNECTIONS', 4, 1, 1000),
    masterKey,
    baseDomain,
    tenantStrategies: strategies.length > 0 ? strategies : [...TENANT_STRATEGIES],
    dnsServers: dnsServers.length > 0 ? dnsServers : undefined,
    smtpUrl,
    mailFrom: mailFrom ?? { name: '', address: '' },
    trustedProxies: proxies,
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    demo,
    demoPassword: raw('DEMO_PASSWORD') ?? 'demo-password',
    platformAdmin: adminEmail && adminPassword ? { email: adminEmail, password: adminPassword } : undefined,
    tenantCacheSize: integer('TENANT_CACHE_SIZE', 250_000, 1, 10_000_000),
    auditRetentionDays: integer('AUDIT_RETENTION_DAYS', 730, 30, 3650),
    slugRedirectDays: integer('SLUG_REDIRECT_DAYS', 90, 0, 3650),
    tenantDeletionGraceDays: integer('TENANT_DELETION_GRACE_DAYS', 30, 0, 3650),
    signup: oneOf('SIGNUP', ['open', 'invite', 'closed'] as const, demo ? 'open' : 'closed'),
    signupPlans,
    signupTrial: ['on', 'true', '1'].includes(signupTrial),
    passwordHashConcurrency: integer('PASSWORD_HASH_CONCURRENCY', hashThreads, 1, 1024),
    passwordHashQueue: integer('PASSWORD_HASH_QUEUE', 64, 0, 100_000),
  };
  if (problems.length > 0) throw new EnvError(problems);
  return env;
}

function list(text = ''): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function areDnsServers(servers: string[]): boolean {
  try {
    new Resolver().setServers(servers);
    return true;
  } catch {
    return false;
  }
}

/** Loads `.env` beside the working folder when there is one (the real environment wins), then parses. */
export function loadEnv(): Env {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return parseEnv(process.env);
}

/** The text of `.env.example`. */
export function envExample(): string {
  const head = '# Generated from src/env/env.ts by `npm run generate`. Copy to .env and uncomment what you change.\n';
  return head + VARIABLES.map((v) => `\n# ${v.about}\n# Allowed: ${v.allowed}\n# ${v.name}=${v.example}\n`).join('');
}
