import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

interface Instruction {
  name: string;
  value: string;
}

function parseDockerfile(text: string): Instruction[] {
  return text
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const [name = '', ...rest] = line.split(/\s+/);
      return { name: name.toUpperCase(), value: rest.join(' ') };
    });
}

describe('Dockerfile', () => {
  const instructions = parseDockerfile(read('Dockerfile'));
  const values = (name: string) => instructions.filter((each) => each.name === name).map((each) => each.value);

  it('builds in one stage and runs in another', () => {
    expect(values('FROM').length).toBeGreaterThanOrEqual(2);
    expect(values('COPY').some((value) => value.includes('--from=build'))).toBe(true);
  });

  it('does not run as root', () => {
    const lastStage = instructions.map((each) => each.name).lastIndexOf('FROM');
    const user = instructions.slice(lastStage).findLast((each) => each.name === 'USER')?.value;
    expect(user).toBeDefined();
    expect(user).not.toMatch(/^(root|0)(:|$)/);
  });

  it('reports its health and starts the built server', () => {
    expect(values('HEALTHCHECK').at(-1)).toContain('/health/live');
    const command = JSON.parse(values('CMD').at(-1) ?? '[]') as string[];
    expect(command[0]).toBe('node');
    expect(command.at(-1)).toBe('dist/src/main.js');
  });
});

describe('docker-compose.yml', () => {
  interface Service {
    build?: string;
    image?: string;
    environment?: Record<string, string>;
    depends_on?: Record<string, { condition: string }>;
    healthcheck?: { test: string[] };
    volumes?: string[];
    ports?: string[];
  }
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const { api, worker, postgres, redis } = compose.services;

  it('starts the api once its stores are healthy', () => {
    expect(api?.build).toBe('.');
    for (const [name, { condition }] of Object.entries(api?.depends_on ?? {})) {
      expect(condition).toBe('service_healthy');
      expect(compose.services[name]?.healthcheck?.test.length).toBeGreaterThan(0);
    }
    expect(Object.keys(api?.depends_on ?? {}).sort()).toEqual(['postgres', 'redis']);
  });

  it('runs no demo and refuses to start without a master key', () => {
    expect(api?.environment?.['DEMO']).toBe('off');
    expect(api?.environment?.['MASTER_KEY']).toMatch(/^\$\{MASTER_KEY:\?.+\}$/);
    expect(api?.environment?.['DATABASE_URL']).toContain('@postgres:5432/');
    expect(api?.environment?.['BASE_DOMAIN']).toBeDefined();
    expect(api?.ports).toEqual(['8001:8001']);
  });

  it('has a worker beside the api, with the same settings but its role', () => {
    expect(worker?.environment).toEqual({ ...api?.environment, ROLE: 'worker' });
    expect(api?.environment?.['ROLE']).toBe('api');
    expect(worker?.ports).toBeUndefined();
  });

  it('keeps the data in a volume', () => {
    expect(postgres?.image).toMatch(/^postgres:18/);
    expect(redis?.image).toMatch(/^redis:8/);
    const [volume = ''] = postgres?.volumes ?? [];
    const [name = '', path] = volume.split(':');
    expect(path).toBe('/var/lib/postgresql');
    expect(Object.keys(compose.volumes)).toContain(name);
  });
});
