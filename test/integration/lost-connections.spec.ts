import type pg from 'pg';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobEngine } from '../../src/jobs/job.engine.js';
import { PLATFORM_DATA_SOURCE, TenantDataSource } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const poolOf = (source: DataSource): pg.Pool => (source.driver as unknown as { master: pg.Pool }).master;

/** @returns true when somebody listened; else what would have ended the process */
function heard(client: pg.PoolClient): unknown {
  try {
    return client.emit('error', new Error('lost'));
  } catch (unheard) {
    return unheard;
  }
}

describe('a connection that is lost in the moment in which its pool hands it out', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t?.close());

  it.each<[string, (t: TestApp) => pg.Pool]>([
    ['of the control plane', ({ app }) => poolOf(app.get<DataSource>(PLATFORM_DATA_SOURCE))],
    ['for the catalogue of tenants', ({ app }) => poolOf(app.get(TenantDataSource))],
    ['of the job engine', ({ app }) => app.get(JobEngine)['pool']],
  ])('%s does not end the process', async (_, of) => {
    // The pool has let go of it, and whoever asked has not begun to listen.
    const told = await new Promise<unknown>((resolve) =>
      of(t).connect((error, client, release) => {
        resolve(error ?? heard(client!));
        release(true);
      }),
    );
    expect(told).toBe(true);
  });
});
