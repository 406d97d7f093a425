import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../kit/test-database.js';
import { ROOT_ENV } from '../../kit/platform.js';
import { startProcess, type StartingProcess, type TestProcess } from '../../kit/test-process.js';
import { proofOptions } from '../options.js';
import { Abuse, type Tally } from './abuse.js';
import { Canary } from './canary.js';
import { committed } from './document.js';
import { operationsOf } from './operations.js';
import { meant, requestsOf, table, told, unserved } from './report.js';
import { abusedEnv } from './service.js';
import { Wire } from './wire.js';
import { World } from './world.js';

const options = proofOptions(300);
const document = committed();
const all = operationsOf(document);
const asked = all.filter(({ title }) => title.includes(options.only ?? ''));

describe('every operation of the OpenAPI document, whatever it is sent', () => {
  let database: TestDatabase;
  let service: TestProcess & StartingProcess;
  let wire: Wire;
  let abuse: Abuse;
  let canary: Canary;
  const tallies: Tally[] = [];
  let started: number;

  beforeAll(async () => {
    database = await createTestDatabase({ ...ROOT_ENV });
    service = await startProcess(abusedEnv(database));
    wire = new Wire(service.port);
    const world = await World.open(wire, database);
    canary = await Canary.settle(world, wire, database);
    abuse = new Abuse(wire, world, document, all);
    started = performance.now();
    console.log(`\n${asked.length} operations, ${options.seconds} s, seed ${options.seed}`);
  });
  afterAll(async () => {
    const faults = tallies.flatMap((tally) => tally.faults);
    console.log(`\n${table(tallies)}`);
    console.log(`\n${requestsOf(tallies)} requests, seed ${options.seed}; 503 that were meant:\n${meant(tallies)}`);
    console.log(`\n${unserved(tallies)}`);
    console.log(`\n${faults.length} faults${faults.map((fault) => `\n\n${told(fault)}`).join('')}\n`);
    if (options.keep && faults.length > 0) {
      console.log(`The service stays at http://127.0.0.1:${service.port} until Ctrl-C.`);
      await new Promise((resolve) => process.once('SIGINT', resolve));
    }
    wire?.close();
    service?.child.kill('SIGTERM');
    await service?.exited;
    await database?.drop();
  });

  it.each(asked.map((operation, index) => [operation.title, operation, index] as const))(
    '%s',
    async (_title, operation, index) => {
      // Its share of the time that is left.
      const left = started + options.seconds * 1000 - performance.now();
      const tally = await abuse.of(operation, options.seed, performance.now() + left / (asked.length - index));
      tallies.push(tally);
      expect(tally.faults.map(told)).toEqual([]);
    },
  );

  it('is alive afterwards, and nothing was left unhandled', async () => {
    expect(service.child.exitCode).toBe(null);
    expect((await wire.send({ method: 'GET', path: '/health/ready', headers: {} })).status).toBe(200);
    expect(service.output()).not.toMatch(/unhandled|UnhandledPromise|heap out of memory/i);
  });

  it('has changed nothing of a tenant that nobody attacked', async () => {
    console.log(`\n${canary.size} rows of ${canary.slug} compared`);
    expect(await canary.changes()).toEqual([]);
  });
});
