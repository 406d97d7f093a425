import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { liftAddressLimits } from '../kit/people.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { Abuse } from '../prove/abuse/abuse.js';
import { Canary } from '../prove/abuse/canary.js';
import { MARK } from '../prove/abuse/hostile.js';
import { type ApiDocument, type Operation, operationsOf } from '../prove/abuse/operations.js';
import { told } from '../prove/abuse/report.js';
import { ABUSED } from '../prove/abuse/service.js';
import { Wire } from '../prove/abuse/wire.js';
import { World } from '../prove/abuse/world.js';
import { Ledger } from '../prove/faults/ledger.js';

const SEED = 7;
/** One operation in so many, and requests of each; `npm run prove:abuse` sends hundreds of each. */
const ONE_IN = 3;
const RUNS = 6;

/** A sample of the proof, always the same. */
describe('an operation of the OpenAPI document, whatever it is sent', () => {
  let t: TestApp;
  let wire: Wire;
  let abuse: Abuse;
  let canary: Canary;
  let operations: Operation[];
  beforeAll(async () => {
    t = await createTestApp(ABUSED);
    const document = (await t.request('GET', '/openapi.json')).json as ApiDocument;
    operations = operationsOf(document);
    wire = new Wire(t.port);
    const world = await World.open(wire, t.database);
    canary = await Canary.settle(world, wire, t.database);
    abuse = new Abuse(wire, world, document, operations);
  });
  afterAll(async () => {
    wire?.close();
    await t?.close();
  });

  it('answers with what it documents, never with a 5xx, and with a problem when it refuses', async () => {
    const faults: string[] = [];
    for (const operation of operations.filter((_, index) => index % ONE_IN === 0)) {
      const tally = await abuse.of(operation, SEED, performance.now() + 60_000, RUNS);
      faults.push(...tally.faults.map(told));
    }
    expect(faults).toEqual([]);
  });

  it('leaves every prototype as it was, and every row of a tenant that nobody attacked', async () => {
    expect(({} as Record<string, unknown>)[MARK]).toBeUndefined();
    expect(await canary.changes()).toEqual([]);
  });
});

describe('clients that write while every connection to the database is cut, again and again', () => {
  it('find what was acknowledged once, and were told of what failed', async () => {
    const t = await createTestApp();
    try {
      await liftAddressLimits(t);
      const ledger = new Ledger(() => [t.port]);
      ledger.start(4);
      for (let round = 0; round < 4; round += 1) {
        const before = ledger.acknowledged;
        await expect.poll(() => ledger.acknowledged, { interval: 20 }).toBeGreaterThan(before + 4);
        await t.database.admin(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
        );
      }
      await ledger.recovered(performance.now());
      await ledger.stop();
      expect(await ledger.verify(t.port)).toMatchObject({ lost: [], doubled: [] });
      expect(ledger.wrong).toEqual([]);
    } finally {
      await t.close();
    }
  });
});
