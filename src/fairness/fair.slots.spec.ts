import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairSlots } from './fair.slots.js';

const share = (tenantId: string, weight = 1) => ({ tenantId, weight });
const turn = () => new Promise((done) => setImmediate(done));

/** Work that lasts until it is told to end. */
function held() {
  let end!: () => void;
  const ended = new Promise<void>((done) => (end = done));
  return { work: () => ended, end };
}

describe('fair slots', () => {
  it('serve tenants that always wait in shares by weight, within 5 %', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 5 }), async (weights) => {
        const slots = new FairSlots(1, 1000);
        const served = weights.map(() => 0);
        const all = weights.reduce((sum, weight) => sum + weight, 0);
        let left = all * 20;
        const flood = async (tenant: number): Promise<void> => {
          while (left > 0) {
            await slots.run(share(`tenant-${tenant}`, weights[tenant]), () => {
              if (left > 0) served[tenant]! += 1;
              left -= 1;
              return Promise.resolve();
            });
          }
        };
        await Promise.all(weights.flatMap((weight, tenant) => Array.from({ length: 2 * weight }, () => flood(tenant))));
        weights.forEach((weight, tenant) => {
          expect(Math.abs(served[tenant]! - weight * 20)).toBeLessThanOrEqual(weight);
        });
        expect(slots.counts()).toEqual({ running: 0, waiting: 0 });
      }),
      { numRuns: 30 },
    );
  });

  it('are never all with one tenant, however long its work takes', async () => {
    const slots = new FairSlots(4, 10);
    const flood = Array.from({ length: 5 }, held);
    const runs = flood.map(({ work }) => slots.run(share('globex'), work));
    expect(slots.counts()).toEqual({ running: 3, waiting: 2 });
    expect(await slots.run(share('acme'), () => Promise.resolve('served'))).toBe('served');
    flood.forEach(({ end }) => end());
    await Promise.all(runs);
    expect(slots.counts()).toEqual({ running: 0, waiting: 0 });
  });

  it('refuse the tenant alone that has as much waiting as it may', async () => {
    const slots = new FairSlots(2, 1);
    const [first, second] = [held(), held()];
    const runs = [slots.run(share('globex'), first.work), slots.run(share('globex'), second.work)];
    await expect(slots.run(share('globex'), () => Promise.resolve())).rejects.toMatchObject({ code: 'tenant_busy' });
    await slots.run(share('acme'), () => Promise.resolve());
    first.end();
    second.end();
    await Promise.all(runs);
  });

  it('go to the next when one that waited has gone or one that ran has failed', async () => {
    const slots = new FairSlots(1, 10);
    const first = held();
    const failing = slots.run(share('acme'), () => first.work().then(() => Promise.reject(new Error('broken'))));
    const gone = new AbortController();
    const leaving = slots.run(share('acme'), () => Promise.resolve('never'), new AbortController().signal, gone.signal);
    const next = slots.run(share('globex'), () => Promise.resolve('served'));
    gone.abort(new Error('gone'));
    await expect(leaving).rejects.toThrow('gone');
    await turn();
    expect(slots.counts()).toEqual({ running: 1, waiting: 1 });
    first.end();
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('served');
    await expect(slots.run(share('acme'), () => Promise.resolve(), gone.signal)).rejects.toThrow('gone');
    expect(slots.counts()).toEqual({ running: 0, waiting: 0 });
  });
});
