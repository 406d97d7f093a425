import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MetricsService } from '../../src/metrics/index.js';
import { isReservedSlug } from '../../src/tenant/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

describe('what the service says of itself', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  it('is an OpenAPI 3.1 document that the meta-schema accepts', async () => {
    const document = (await t.request('GET', '/openapi.json')).json as Record<string, unknown>;
    expect(document['openapi']).toMatch(/^3\.1\./);
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
  });

  it('declares what stands in every path, and a body for every failure that it names', async () => {
    interface Described {
      parameters?: { in: string; name: string }[];
      responses: Record<string, { content?: object }>;
    }
    const { paths } = (await t.request('GET', '/openapi.json')).json as {
      paths: Record<string, Record<string, Described>>;
    };
    for (const [path, methods] of Object.entries(paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      for (const [method, { parameters = [], responses }] of Object.entries(methods)) {
        const declared = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
        expect([method, path, declared.sort()]).toEqual([method, path, named]);
        const failures = Object.entries(responses).filter(([status]) => !/^[23]/.test(status));
        for (const [, { content }] of failures) expect(Object.keys(content ?? {})).not.toEqual([]);
      }
    }
  });

  it('has examples that work as they stand', async () => {
    const document = (await t.request('GET', '/openapi.json')).json;
    const example = (name: string): Record<string, unknown> => {
      const properties = document.components.schemas[name].properties as Record<string, { example: unknown }>;
      return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, value.example]));
    };
    expect((await t.request('POST', '/session', { body: example('SessionRequest') })).status).toBe(201);
    expect((await t.request('POST', '/chat', { body: example('ChatRequest') })).status).toBe(200);
    const parameters = document.paths['/api/sessions/{session_id}'].get.parameters as {
      name: string;
      schema: { example?: string };
    }[];
    const value = (name: string): string =>
      parameters.find((parameter) => parameter.name === name)?.schema.example ?? '';
    const read = await t.request('GET', `/api/sessions/${value('session_id')}`, {
      headers: { 'x-tenant-id': value('X-Tenant-ID') },
    });
    expect(read.status).toBe(200);
  });

  it('reserves the first segment of every route', async () => {
    const { paths } = (await t.request('GET', '/openapi.json')).json as { paths: Record<string, unknown> };
    const segments = Object.keys(paths).map((path) => path.split('/')[1] ?? '');
    for (const segment of segments.filter((part) => part !== ''))
      expect([segment, isReservedSlug(segment)]).toEqual([segment, true]);
  });

  it('serves Swagger UI, health and metrics', async () => {
    expect((await t.request('GET', '/docs')).text).toContain('swagger-ui');
    expect((await t.request('GET', '/health/live')).json).toEqual({ status: 'ok' });
    expect((await t.request('GET', '/health/ready')).status).toBe(200);
    const metrics = await fetch(`http://127.0.0.1:${t.app.get(MetricsService).port}/metrics`);
    const text = await metrics.text();
    expect(text).toContain('tenantry_http_requests_total{method="GET",route="/health/live",status="200"} 1');
    expect(text).toContain('tenantry_db_pool_connections');
    expect(text).not.toContain('acme');
  });

  it('sends the headers of helmet and a request id, and keeps an id that was offered', async () => {
    const answer = await t.request('GET', '/health/live', { headers: { 'x-request-id': 'offered-id-1' } });
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['x-request-id']).toBe('offered-id-1');
    expect(answer.headers['x-powered-by']).toBeUndefined();
  });

  it('writes request id and tenant on the lines of a request', async () => {
    const session = await t.session('acme');
    await t.request('GET', `/acme/api/sessions/${session}`, { headers: { 'x-request-id': 'traced-request' } });
    await expect.poll(() => t.logs.some((line) => line.includes('traced-request'))).toBe(true);
    const line = JSON.parse(t.logs.find((candidate) => candidate.includes('traced-request')) ?? '{}');
    expect(line).toMatchObject({ tenant: 'acme', status: 200, path: '/acme/api/sessions/[redacted]' });
  });

  it('refuses oversized headers with a problem', async () => {
    const answer = await t.request('GET', '/health/live', { headers: { 'x-large': 'x'.repeat(20_000) } });
    expect([answer.status, answer.json.code]).toEqual([431, 'headers_too_large']);
  });
});
