import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Tenant } from '../tenancy/index.js';
import type { FairnessMetrics, QueueCounts } from './fairness.metrics.js';
import { type AdmissionBounds, TenantAdmission } from './tenant.admission.js';

const tenantOf = (id: string, cap = 2) =>
  ({ id, settings: { 'limits.concurrent_requests': cap } }) as unknown as Tenant;
const [ACME, GLOBEX] = [tenantOf('acme'), tenantOf('globex')];

describe('the admission of requests', () => {
  let server: http.Server;
  let port: number;
  /** Exchanges that have come in, in their order. */
  let exchanges: { request: IncomingMessage; response: ServerResponse }[];
  let counts: () => QueueCounts;
  let refusals: number;
  const clients: net.Socket[] = [];

  beforeEach(async () => {
    exchanges = [];
    refusals = 0;
    server = http.createServer((request, response) => void exchanges.push({ request, response }));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    clients.splice(0).forEach((client) => client.destroy());
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  function admissionWith(bounds: Partial<AdmissionBounds> = {}): TenantAdmission {
    const metrics = {
      watch: (_queue: string, given: () => QueueCounts) => (counts = given),
      countRefusal: () => (refusals += 1),
    };
    return new TenantAdmission(metrics as unknown as FairnessMetrics, bounds);
  }

  /** Sends `count` requests over one connection and gives what arrived. */
  async function arrive(count = 1) {
    const known = exchanges.length;
    const client = net.connect(port, '127.0.0.1').on('error', () => undefined);
    clients.push(client);
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count));
    await expect.poll(() => exchanges.length).toBe(known + count);
    return { client, arrived: exchanges.slice(known) };
  }

  /** Asks for a slot for each; `log` gets their names, in the order in which they go on, and those that are refused. */
  function admit(to: TenantAdmission, tenant: Tenant, name: string, exchange: (typeof exchanges)[0], log: string[]) {
    to.admit(tenant, exchange.request, exchange.response, (refusal) => log.push(refusal ? `${name} refused` : name));
  }

  it('serves as many as the plan says, lets as many wait in their order, and refuses the flooder alone', async () => {
    const admission = admissionWith();
    const log: string[] = [];
    const { arrived } = await arrive(6);
    ['a', 'b', 'c', 'd', 'e'].forEach((name, at) => admit(admission, GLOBEX, name, arrived[at]!, log));
    expect(log).toEqual(['a', 'b', 'e refused']);
    expect(() => admission.demandRoom(GLOBEX)).toThrow('as many requests');
    expect(refusals).toBe(2);
    admission.demandRoom(ACME);
    admit(admission, ACME, 'acme', arrived[5]!, log);
    expect(log.at(-1)).toBe('acme');
    expect(counts()).toEqual({ running: 3, long: 0, waiting: 2 });
    // One that has ended makes room for one.
    arrived[0]!.response.end('done');
    await expect.poll(() => log).toContain('c');
    expect(log).not.toContain('d');
    admission.demandRoom(GLOBEX);
  });

  it('gives back the slots of all requests of a connection that is lost, pipelined ones and waiting ones, too', async () => {
    const admission = admissionWith();
    const log: string[] = [];
    const lost = await arrive(3);
    const { arrived: later } = await arrive(1);
    lost.arrived.forEach((exchange, at) => admit(admission, GLOBEX, `lost ${at}`, exchange, log));
    admit(admission, GLOBEX, 'later', later[0]!, log);
    expect(log).toEqual(['lost 0', 'lost 1']);
    lost.client.destroy();
    await expect.poll(() => log).toEqual(['lost 0', 'lost 1', 'later']);
    expect(counts()).toEqual({ running: 1, long: 0, waiting: 0 });
    // Whoever has gone before takes no slot.
    admit(admission, GLOBEX, 'ghost', lost.arrived[2]!, log);
    expect(log).not.toContain('ghost');
    later[0]!.response.end();
    await expect.poll(counts).toEqual({ running: 0, long: 0, waiting: 0 });
  });

  it('refuses who has waited for too long', async () => {
    const admission = admissionWith({ waitMs: 20, checkMs: 5 });
    const log: string[] = [];
    const { arrived } = await arrive(3);
    ['a', 'b', 'c'].forEach((name, at) => admit(admission, GLOBEX, name, arrived[at]!, log));
    await expect.poll(() => log).toEqual(['a', 'b', 'c refused']);
    expect(counts()).toEqual({ running: 2, long: 0, waiting: 0 });
  });

  it('lets long downloads make room, so that they are not all that a small plan can do, as many as there are slots', async () => {
    const small = tenantOf('small', 1);
    const admission = admissionWith({ longMs: 20, checkMs: 5 });
    const log: string[] = [];
    const { arrived: one } = await arrive();
    const { arrived: two } = await arrive();
    const { arrived: three } = await arrive();
    admit(admission, small, 'download', one[0]!, log);
    admit(admission, small, 'another', two[0]!, log);
    one[0]!.response.write('a part');
    await expect.poll(() => log).toEqual(['download', 'another']);
    two[0]!.response.write('a part');
    admit(admission, small, 'read', three[0]!, log);
    expect(counts()).toEqual({ running: 1, long: 1, waiting: 1 });
    one[0]!.response.end();
    await expect.poll(() => log).toEqual(['download', 'another', 'read']);
  });

  it('keeps a crowd from a busy thread while others come, who do not wait, and lets it go on when they have gone', async () => {
    const admission = admissionWith({ busyness: () => 1, adaptMs: 5, waitMs: 60_000 });
    const [crowded, other] = [tenantOf('crowd', 100), tenantOf('other', 100)];
    const log: string[] = [];
    const { arrived } = await arrive(40);
    arrived.slice(0, 10).forEach((exchange, at) => admit(admission, crowded, `crowd ${at}`, exchange, log));
    // By itself it has the thread for itself.
    expect(log).toHaveLength(10);
    await new Promise((done) => setTimeout(done, 30));
    admit(admission, crowded, 'crowd 10', arrived[10]!, log);
    expect(log).toHaveLength(11);

    admit(admission, other, 'other', arrived[11]!, log);
    await expect.poll(() => (admit(admission, crowded, 'more', arrived[12]!, []), counts().waiting)).toBeGreaterThan(0);
    const before = log.length;
    arrived.slice(13, 40).forEach((exchange, at) => admit(admission, crowded, `late ${at}`, exchange, log));
    admit(admission, tenantOf('third'), 'third', arrived[12]!, log);
    expect(log.slice(before)).toEqual(['third']);
    // It goes on, though not at once; and at once when nobody else has come for a while.
    await expect.poll(() => log.length, { timeout: 10_000 }).toBe(before + 28);
  });

  it('keeps nobody from the thread for a tenant that asks for about as much', async () => {
    const admission = admissionWith({ busyness: () => 1, adaptMs: 5, waitMs: 60_000 });
    const [one, other] = [tenantOf('one', 100), tenantOf('other', 100)];
    const log: string[] = [];
    const { arrived } = await arrive(40);
    arrived.slice(0, 10).forEach((exchange, at) => admit(admission, one, `one ${at}`, exchange, log));
    // It has nothing under way again and again, as has whoever sends the next when the last is answered.
    for (let at = 10; at + 3 <= 39; at += 3) {
      arrived.slice(at, at + 3).forEach((exchange) => admit(admission, other, `other ${at}`, exchange, log));
      arrived.slice(at, at + 3).forEach(({ response }) => response.emit('close'));
      await new Promise((done) => setTimeout(done, 10));
    }
    admit(admission, one, 'last', arrived[39]!, log);
    expect(log).toHaveLength(38);
  });

  it('keeps nothing of tenants whose last request was refused after a wait', async () => {
    const admission = admissionWith({ busyness: () => 1, adaptMs: 50, waitMs: 20, checkMs: 5 });
    const known = (): string[] => [...admission['standings'].keys()];
    const crowded = tenantOf('crowd', 100);
    const { arrived } = await arrive(12);
    arrived.slice(0, 10).forEach((exchange) => admit(admission, crowded, '', exchange, []));
    admit(admission, tenantOf('other'), '', arrived[10]!, []);
    await expect.poll(() => (admit(admission, crowded, '', arrived[11]!, []), counts().waiting)).toBeGreaterThan(0);
    const log: string[] = [];
    for (const tenant of ['a', 'b', 'c', 'd', 'e'].map((id) => tenantOf(id))) {
      const [served, waits] = [await arrive(), await arrive()];
      admit(admission, tenant, 'served', served.arrived[0]!, log);
      admit(admission, tenant, 'waits', waits.arrived[0]!, log);
      served.arrived[0]!.response.end();
      await expect.poll(() => log).toHaveLength(2);
      waits.arrived[0]!.response.end();
      log.splice(0);
    }
    await expect.poll(known).toEqual(['crowd', 'other']);
  });

  it('shares a busy thread by weight among tenants that crowd it', async () => {
    const admission = admissionWith({ busyness: () => 1, adaptMs: 5, waitMs: 60_000 });
    const weighing = (id: string, weight: number) =>
      ({ id, settings: { 'limits.concurrent_requests': 200, 'limits.weight': weight } }) as unknown as Tenant;
    const log: string[] = [];
    const { arrived } = await arrive(140);
    const keep = setInterval(() => admission.noticeOther(), 50);
    try {
      arrived.slice(0, 10).forEach((exchange) => admit(admission, weighing('one', 1), 'one', exchange, log));
      arrived.slice(10, 20).forEach((exchange) => admit(admission, weighing('three', 3), 'three', exchange, log));
      await expect
        .poll(() => (admit(admission, weighing('one', 1), '', arrived[20]!, []), counts().waiting))
        .toBeGreaterThan(0);
      log.splice(0);
      arrived.slice(21, 80).forEach((exchange) => admit(admission, weighing('one', 1), 'one', exchange, log));
      arrived.slice(80, 140).forEach((exchange) => admit(admission, weighing('three', 3), 'three', exchange, log));
      await expect.poll(() => log.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(40);
      const threes = log.slice(0, 40).filter((name) => name === 'three').length;
      expect(Math.abs(threes - 30)).toBeLessThanOrEqual(2);
    } finally {
      clearInterval(keep);
    }
  });
});
