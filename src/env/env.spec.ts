import { describe, expect, it } from 'vitest';
import { envExample, EnvError, parseEnv, VARIABLES } from './index.js';

const problems = (source: NodeJS.ProcessEnv): string => {
  try {
    parseEnv(source);
  } catch (error) {
    if (error instanceof EnvError) return error.message;
    throw error;
  }
  return '';
};

describe('the environment', () => {
  it('has defaults that serve the demo on loopback from the embedded database', () => {
    const env = parseEnv({});
    expect(env).toMatchObject({
      host: '127.0.0.1',
      port: 8001,
      metricsPort: 9001,
      demo: true,
      baseDomain: 'localhost',
    });
    expect(env.databaseUrl).toBeUndefined();
  });

  it('turns the demo off beside a database of your own', () => {
    const env = parseEnv({ DATABASE_URL: 'postgres://db/x' });
    expect([env.demo, env.host, env.databaseDirectUrl]).toEqual([false, '0.0.0.0', 'postgres://db/x']);
  });

  it.each([
    ['PORT', '80x'],
    ['PORT', '70000'],
    ['METRICS_PORT', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://db/x'],
    ['PUBLIC_URL', 'localhost'],
    ['BASE_DOMAIN', 'not a domain'],
    ['TRUSTED_PROXIES', 'everyone'],
    ['MASTER_KEY', 'short'],
    ['DEMO', 'maybe'],
    ['NODE_ENV', 'staging'],
    ['PASSWORD_HASH_CONCURRENCY', '0'],
    ['PASSWORD_HASH_QUEUE', 'long'],
    ['TENANT_STRATEGIES', 'header,cookie'],
    ['TENANT_STRATEGIES', 'header,header'],
    ['DNS_SERVERS', 'dns.example'],
    ['OUTBOUND_ALLOW', '10.0.0.1'],
    ['MODEL_BASE_URL', 'ftp://models.example'],
    ['MODEL_BASE_URL', 'https://user:password@models.example/v1'],
    ['OUTBOUND_ALLOW', '10.0.0.0/8,fd00::/200'],
    ['DNS_SERVERS', '127.0.0.1:99999'],
    ['SIGNUP', 'maybe'],
    ['SIGNUP_PLAN', 'free,,pro'],
    ['SIGNUP_TRIAL', 'never'],
    ['SMTP_URL', 'http://mail'],
    ['SMTP_URL', 'smtp://me:sec%ZZret@mail'],
    ['SMTP_URL', 'smtp://mail?tls.rejectUnauthorized=false'],
    ['MAIL_FROM', 'nobody'],
    ['BACKUP_S3_BUCKET', 'Not A Bucket'],
    ['BACKUP_S3_ENDPOINT', 'ftp://s3'],
    ['BACKUP_S3_ENDPOINT', 'https://me:secret@s3.example'],
    ['BACKUP_S3_ENDPOINT', 'https://s3.example/bucket'],
    ['BACKUP_S3_REGION', 'eu central'],
    ['BACKUP_S3_PREFIX', 'of us?'],
    ['BACKUP_S3_FORCE_PATH_STYLE', 'maybe'],
    ['FILES_S3_BUCKET', 'Not A Bucket'],
    ['FILES_S3_PREFIX', 'of us?'],
    ['MAIL_FROM', 'Eve <eve@example.com>, mallory@example.com'],
  ])('refuses %s=%s by name, value and what is allowed', (name, value) => {
    const allowed = VARIABLES.find((variable) => variable.name === name)?.allowed ?? '';
    const message = problems({ [name]: value });
    expect(message).toContain(`${name}="${/KEY|DATABASE|SMTP|ENDPOINT|MODEL_BASE/.test(name) ? '***' : value}"`);
    expect(message).toContain(allowed);
  });

  it('never shows the password of a wrong URL', () => {
    expect(problems({ DATABASE_URL: 'postgres://me:sec/ret@db:x/x' })).not.toContain('ret@');
  });

  it('sends mail from the host of PUBLIC_URL unless MAIL_FROM says otherwise', () => {
    expect(parseEnv({ PUBLIC_URL: 'https://app.example.com:8443/x' }).mailFrom).toEqual({
      name: 'Tenantry',
      address: 'no-reply@app.example.com',
    });
    expect(parseEnv({ PUBLIC_URL: 'http://127.0.0.1:1' }).mailFrom.address).toBe('no-reply@localhost');
    expect(parseEnv({ MAIL_FROM: '"Acme, Inc." <mail@acme.example>' }).mailFrom).toEqual({
      name: 'Acme, Inc.',
      address: 'mail@acme.example',
    });
    expect(parseEnv({ MAIL_FROM: 'mail@acme.example' }).mailFrom).toEqual({ name: '', address: 'mail@acme.example' });
  });

  it('refuses a direct way to a database that it has no way to', () => {
    expect(problems({ DATABASE_DIRECT_URL: 'postgres://db/x' })).toContain('DATABASE_DIRECT_URL');
    expect(problems({ DATABASE_DIRECT_URL: 'postgres://db/x', DATABASE_URL: 'postgres://pooler/x' })).toBe('');
  });

  it('lets processes share the work only where they share a database', () => {
    expect(parseEnv({}).role).toBe('all');
    expect(problems({ ROLE: 'worker' })).toContain('needs DATABASE_URL');
    expect(problems({ ROLE: 'api', DATABASE_URL: 'postgres://db/x' })).toBe('');
    expect(problems({ ROLE: 'boss' })).toContain('all, api, worker');
  });

  it('refuses the demo and a missing key in production', () => {
    const message = problems({ NODE_ENV: 'production', DEMO: 'on' });
    expect(message).toContain('DEMO');
    expect(message).toContain('MASTER_KEY');
  });

  it('leaves a thread of the pool free of password hashes, however many cores there are', () => {
    expect(parseEnv({ UV_THREADPOOL_SIZE: '2' }).passwordHashConcurrency).toBe(1);
    expect(parseEnv({ UV_THREADPOOL_SIZE: '1' }).passwordHashConcurrency).toBe(1);
    expect(parseEnv({}).passwordHashConcurrency).toBeLessThanOrEqual(3);
    expect(parseEnv({ PASSWORD_HASH_CONCURRENCY: '12' }).passwordHashConcurrency).toBe(12);
  });

  it('takes the first platform admin whole or not at all, and shows no password', () => {
    const PLATFORM_ADMIN_EMAIL = 'admin@example.com';
    const PLATFORM_ADMIN_PASSWORD = 'seven-quiet-otters';
    expect(parseEnv({}).platformAdmin).toBeUndefined();
    expect(parseEnv({ PLATFORM_ADMIN_EMAIL, PLATFORM_ADMIN_PASSWORD }).platformAdmin).toEqual({
      email: PLATFORM_ADMIN_EMAIL,
      password: PLATFORM_ADMIN_PASSWORD,
    });
    expect(problems({ PLATFORM_ADMIN_EMAIL })).toContain('set both or neither');
    expect(problems({ PLATFORM_ADMIN_PASSWORD })).toContain('set both or neither');
    expect(problems({ PLATFORM_ADMIN_EMAIL: 'Admin <a@b.c>', PLATFORM_ADMIN_PASSWORD })).toContain('Admin <a@b.c>');
    const short = problems({ PLATFORM_ADMIN_EMAIL, PLATFORM_ADMIN_PASSWORD: 'otter' });
    expect(short).toContain('PLATFORM_ADMIN_PASSWORD="***"');
    expect(short).not.toContain('otter');
  });

  it('takes a bucket for backups whole or not at all, and not beside a folder', () => {
    const bucket = {
      BACKUP_S3_BUCKET: 'tenantry',
      BACKUP_S3_REGION: 'eu-central-1',
      BACKUP_S3_ACCESS_KEY_ID: 'id-of-a-key',
      BACKUP_S3_SECRET_ACCESS_KEY: 'its-secret',
    };
    expect(parseEnv({}).backupBucket).toBeUndefined();
    expect(parseEnv({ ...bucket, BACKUP_S3_PREFIX: '/of/us/' }).backupBucket).toEqual({
      bucket: 'tenantry',
      region: 'eu-central-1',
      endpoint: undefined,
      accessKeyId: 'id-of-a-key',
      secretAccessKey: 'its-secret',
      prefix: 'of/us/',
      forcePathStyle: false,
    });
    const own = { ...bucket, BACKUP_S3_ENDPOINT: 'https://s3.example:9000', BACKUP_S3_REGION: undefined };
    expect(parseEnv(own).backupBucket).toMatchObject({ region: 'us-east-1', forcePathStyle: true, prefix: '' });
    expect(parseEnv({ ...own, BACKUP_S3_FORCE_PATH_STYLE: 'off' }).backupBucket?.forcePathStyle).toBe(false);
    for (const missing of Object.keys(bucket)) {
      expect(problems({ ...bucket, [missing]: undefined })).toMatch(new RegExp(`also set ${missing};`));
    }
    expect(problems({ BACKUP_S3_SECRET_ACCESS_KEY: 'its-secret' })).not.toContain('its-secret');
    expect(problems({ ...bucket, BACKUP_DIR: '/mnt/backups' })).toContain('unset one of them');
    expect(problems({ BACKUP_SCHEDULE: '17 2 * * *' })).toContain('needs BACKUP_DIR or BACKUP_S3_BUCKET');
    expect(problems({ ...bucket, BACKUP_SCHEDULE: '17 2 * * *' })).toBe('');
  });

  it('documents every variable that it reads, and no other', () => {
    const read = new Set<string>();
    parseEnv(new Proxy({}, { get: (_, name) => void read.add(String(name)) }));
    // Node's own; only looked at.
    read.delete('UV_THREADPOOL_SIZE');
    expect(VARIABLES.map(({ name }) => name).sort()).toEqual([...read].sort());
    for (const name of read) expect(envExample()).toContain(`# ${name}=`);
  });
});
