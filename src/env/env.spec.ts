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
  ])('refuses %s=%s by name, value and what is allowed', (name, value) => {
    const allowed = VARIABLES.find((variable) => variable.name === name)?.allowed ?? '';
    const message = problems({ [name]: value });
    expect(message).toContain(`${name}="${/KEY|DATABASE/.test(name) ? '***' : value}"`);
    expect(message).toContain(allowed);
  });

  it('never shows the password of a wrong URL', () => {
    expect(problems({ DATABASE_URL: 'postgres://me:sec/ret@db:x/x' })).not.toContain('ret@');
  });

  it('refuses a direct way to a database that it has no way to', () => {
    expect(problems({ DATABASE_DIRECT_URL: 'postgres://db/x' })).toContain('DATABASE_DIRECT_URL');
    expect(problems({ DATABASE_DIRECT_URL: 'postgres://db/x', DATABASE_URL: 'postgres://pooler/x' })).toBe('');
  });

  it('refuses the demo and a missing key in production', () => {
    const message = problems({ NODE_ENV: 'production', DEMO: 'on' });
    expect(message).toContain('DEMO');
    expect(message).toContain('MASTER_KEY');
  });

  it('documents every variable', () => {
    for (const { name } of VARIABLES) expect(envExample()).toContain(`# ${name}=`);
  });
});
