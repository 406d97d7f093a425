import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue, type Ticket } from './fair.queue.js';

interface Item {
  tenant: number;
  at: number;
}

const share = (tenant: number, weight: number) => ({ tenantId: `tenant-${tenant}`, weight });
const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 });

describe('a fair queue', () => {
  it('serves tenants that always have something waiting in shares by weight', () => {
    fc.assert(
      fc.property(weights, (given) => {
        const queue = new FairQueue<number>();
        const add = (tenant: number) => queue.add(tenant, share(tenant, given[tenant]!));
        for (let fill = 0; fill < 20; fill += 1) given.forEach((_, tenant) => add(tenant));
        const all = given.reduce((sum, weight) => sum + weight, 0);
        const served = given.map(() => 0);
        // Not a whole number of rounds, which would make the shares exact.
        const times = all * 40 + Math.floor(all / 2);
        for (let time = 0; time < times; time += 1) {
          const tenant = queue.next()!;
          served[tenant]! += 1;
          add(tenant);
        }
        given.forEach((weight, tenant) => {
          const due = (times * weight) / all;
          expect(Math.abs(served[tenant]! - due)).toBeLessThanOrEqual(due * 0.05);
        });
      }),
    );
  });

  it('lets nobody wait for longer than one round of the others, however much they have waiting', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 200 }), fc.nat(100), (given, flood, before) => {
        const queue = new FairQueue<number>();
        const [quiet, ...others] = given;
        others.forEach((weight, index) => {
          for (let one = 0; one < flood; one += 1) queue.add(index + 1, share(index + 1, weight));
        });
        for (let time = 0; time < Math.min(before, queue.size); time += 1) queue.next();
        queue.add(0, share(0, quiet!));
        let waited = 0;
        while (queue.next() !== 0) waited += 1;
        expect(waited).toBeLessThanOrEqual(others.reduce((sum, weight) => sum + weight, 0));
      }),
    );
  });

  it('serves all that was not removed once, each tenant in its own order, within its bounds', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), tenant: fc.nat(4) }),
      fc.record({ kind: fc.constant('next' as const) }),
      fc.record({ kind: fc.constant('remove' as const), which: fc.nat(50) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), weights, (steps, given) => {
        const bounds = { perTenant: 5, total: 15 };
        const queue = new FairQueue<Item>(bounds);
        const expected: Item[][] = [[], [], [], [], []];
        const tickets: Ticket<Item>[] = [];
        const size = () => expected.reduce((sum, own) => sum + own.length, 0);
        const serve = () => {
          const item = queue.next();
          if (size() === 0) expect(item).toBeUndefined();
          else expect(item).toBe(expected[item!.tenant]!.shift());
        };
        steps.forEach((one, at) => {
          if (one.kind === 'next') serve();
          else if (one.kind === 'add') {
            const own = expected[one.tenant]!;
            const fits = own.length < bounds.perTenant && size() < bounds.total;
            const item = { tenant: one.tenant, at };
            const ticket = queue.add(item, share(one.tenant, given[one.tenant % given.length]!));
            expect(ticket !== undefined).toBe(fits);
            if (ticket) tickets.push(ticket);
            if (fits) own.push(item);
          } else if (tickets.length > 0) {
            const ticket = tickets[one.which % tickets.length]!;
            const own = expected[ticket.item.tenant]!;
            const index = own.indexOf(ticket.item);
            expect(queue.remove(ticket)).toBe(index >= 0);
            if (index >= 0) own.splice(index, 1);
          }
          expect(queue.size).toBe(size());
        });
        while (size() > 0) serve();
        expect(queue.next()).toBeUndefined();
      }),
    );
  });

  it('passes over whoever cannot be served now, who keeps the turn', () => {
    const queue = new FairQueue<string>();
    for (const item of ['acme', 'globex']) queue.add(item, { tenantId: item, weight: 1 });
    const other = queue.peek((item) => item !== 'acme')!;
    expect(other.item).toBe('globex');
    expect(queue.serve(other)).toBe(true);
    expect(queue.serve(other)).toBe(false);
    expect(queue.next()).toBe('acme');
  });

  it("passes over single items of those that are nobody's", () => {
    const queue = new FairQueue<string>();
    for (const item of ['free', 'premium']) queue.add(item);
    expect(queue.peek((item) => item === 'premium')?.item).toBe('premium');
  });

  it('refuses weights with which a round would serve nobody', () => {
    for (const weight of [0, 0.5, -1, NaN, Infinity]) {
      expect(() => new FairQueue<string>().add('x', { tenantId: 'acme', weight })).toThrow(RangeError);
    }
  });
});
