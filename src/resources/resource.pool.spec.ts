import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type PoolOptions, ResourcePool } from './resource.pool.js';
import { ResourceUnavailable } from './resources.errors.js';

interface Thing {
  of: string;
  settings: string;
  disposed: boolean;
}

class OfThePeer extends Error {}

function poolOf(options: Partial<PoolOptions<Thing>> = {}) {
  const things: Thing[] = [];
  const pool = new ResourcePool<Thing>({
    name: 'thing',
    max: 2,
    drainMs: 1e6,
    dispose: (thing) => {
      expect(thing.disposed).toBe(false);
      thing.disposed = true;
    },
    reasonOf: (error) => (error instanceof OfThePeer ? error.message : undefined),
    ...options,
  });
  const wanted = (id: string, settings = 'a') => ({
    id,
    fingerprint: settings,
    make: () => {
      const thing = { of: id, settings, disposed: false };
      things.push(thing);
      return thing;
    },
  });
  return { pool, things, wanted };
}

/** A use that lasts until it is told to end. */
function heldOpen(): { fn: (thing: Thing) => Promise<Thing>; began: Promise<Thing>; end: () => void } {
  const began = Promise.withResolvers<Thing>();
  const ended = Promise.withResolvers<void>();
  const fn = async (thing: Thing): Promise<Thing> => {
    began.resolve(thing);
    await ended.promise;
    return thing;
  };
  return { fn, began: began.promise, end: ended.resolve };
}

describe('ResourcePool', () => {
  it('makes one for all uses of a tenant, and another for each tenant', async () => {
    const { pool, things, wanted } = poolOf();
    const uses = ['acme', 'acme', 'globex'].map((id) => pool.use(wanted(id), ({ of }) => of));
    expect(await Promise.all(uses)).toEqual(['acme', 'acme', 'globex']);
    expect(things).toHaveLength(2);
  });

  it('gives the next use one of the new settings and disposes of the old one after its last use', async () => {
    const { pool, wanted } = poolOf();
    const open = heldOpen();
    const running = pool.use(wanted('acme', 'old'), open.fn);
    const old = await open.began;
    expect(await pool.use(wanted('acme', 'new'), ({ settings }) => settings)).toBe('new');
    expect(old.disposed).toBe(false);
    open.end();
    await running;
    await expect.poll(() => old.disposed).toBe(true);
  });

  it('evicts the one that was used longest ago, but none in use while another rests', async () => {
    const { pool, things, wanted } = poolOf();
    const open = heldOpen();
    const running = pool.use(wanted('acme'), open.fn);
    await open.began;
    for (const id of ['globex', 'initech']) await pool.use(wanted(id), () => undefined);
    await expect.poll(() => things.filter(({ disposed }) => disposed).map(({ of }) => of)).toEqual(['globex']);
    open.end();
    await running;
  });

  it('disposes of one under a use that outlasts the limit', async () => {
    const { pool, wanted } = poolOf({ drainMs: 1 });
    const open = heldOpen();
    const running = pool.use(wanted('acme'), open.fn);
    const thing = await open.began;
    pool.retire('acme');
    await expect.poll(() => thing.disposed).toBe(true);
    open.end();
    await running;
    expect(pool.count).toBe(0);
  });

  it('does not try again at once what failed, unless the settings are others, and harms no other tenant', async () => {
    const { pool, wanted } = poolOf();
    let tries = 0;
    const broken = {
      ...wanted('acme', 'bad'),
      make: () => {
        tries += 1;
        throw new OfThePeer('It does not answer.');
      },
    };
    const uses = [1, 2, 3].map(() => pool.use(broken, () => undefined));
    for (const use of await Promise.allSettled(uses)) expect(use).toMatchObject({ status: 'rejected' });
    await expect(pool.use(broken, () => undefined)).rejects.toThrow(ResourceUnavailable);
    expect(tries).toBe(1);
    expect(pool.healthOf('acme')).toMatchObject({ state: 'failing', lastError: 'It does not answer.', inUse: 0 });
    expect(pool.healthOf('globex')).toMatchObject({ state: 'unused' });
    expect(await pool.use(wanted('globex'), ({ of }) => of)).toBe('globex');
    expect(await pool.use(wanted('acme', 'good'), ({ of }) => of)).toBe('acme');
    expect(pool.healthOf('acme')).toMatchObject({ state: 'ok', failingSince: null, lastError: null });
  });

  it('knows a failing resource from a failing use', async () => {
    const { pool, wanted } = poolOf();
    const failing = (error: Error) => pool.use(wanted('acme'), () => Promise.reject(error)).catch(() => undefined);
    await failing(new Error('of the caller, with a password'));
    expect(pool.healthOf('acme').state).toBe('unused');
    await failing(new OfThePeer('It hung up.'));
    expect(pool.healthOf('acme')).toMatchObject({ state: 'failing', lastError: 'It hung up.' });
    expect(pool.failures).toBe(1);
  });

  it('makes one anew after a use that failed by its fault, and keeps one whose user failed', async () => {
    const { pool, things, wanted } = poolOf();
    const failing = (error: Error) => pool.use(wanted('acme'), () => Promise.reject(error)).catch(() => undefined);
    await failing(new Error('of the caller'));
    expect(await pool.use(wanted('acme'), (thing) => thing)).toBe(things[0]);
    await failing(new OfThePeer('It hung up.'));
    expect(await pool.use(wanted('acme'), (thing) => thing)).toBe(things[1]);
    await expect.poll(() => things.map(({ disposed }) => disposed)).toEqual([true, false]);
  });

  it('leaves one to rest that failed three times in a row, and then lets one use at a time try it', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const { pool, wanted } = poolOf({ restsAfter: 3 });
      const slow = heldOpen();
      const use = (fn: (thing: Thing) => unknown, more = {}) =>
        pool.use({ ...wanted('acme'), ...more }, fn).then(
          () => 'used',
          (error: Error) => (error instanceof ResourceUnavailable ? 'refused' : 'failed'),
        );
      const fail = () => Promise.reject(new OfThePeer('It did not answer in time.'));
      for (let time = 0; time < 3; time += 1) expect(await use(fail)).toBe('failed');
      expect([await use(fail), await use(fail, { resting: true })]).toEqual(['refused', 'failed']);
      expect(await pool.use(wanted('globex'), ({ of }) => of)).toBe('globex');
      vi.setSystemTime(Date.now() + 19_999);
      expect(await use(fail)).toBe('refused');
      vi.setSystemTime(Date.now() + 1);
      const trying = use(slow.fn);
      await slow.began;
      expect(await use(() => undefined)).toBe('refused');
      slow.end();
      expect([await trying, await use(() => undefined)]).toEqual(['used', 'used']);
      for (let time = 0; time < 20; time += 1) await use(fail, { resting: true });
      vi.setSystemTime(Date.now() + 300_000);
      expect(await use(() => undefined)).toBe('used');
      // Other settings are tried at once.
      for (let time = 0; time < 3; time += 1) await use(fail);
      expect([await use(fail), await use(fail, { fingerprint: 'b' })]).toEqual(['refused', 'failed']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('tells nothing of how it was with other settings', async () => {
    const { pool, wanted } = poolOf();
    const broken = { ...wanted('acme', 'bad'), make: () => Promise.reject(new OfThePeer('It does not answer.')) };
    await pool.use(broken, () => undefined).catch(() => undefined);
    expect(pool.healthOf('acme', 'bad')).toMatchObject({ state: 'failing', lastError: 'It does not answer.' });
    expect(pool.healthOf('acme', 'good')).toMatchObject({ state: 'unused', lastError: null, failingSince: null });
  });

  it('says nothing of an error that it does not know', async () => {
    const { pool, wanted } = poolOf();
    const broken = { ...wanted('acme'), make: () => Promise.reject(new Error('s3cret')) };
    const error: Error = await pool.use(broken, () => undefined).catch((caught) => caught);
    expect(error).toBeInstanceOf(ResourceUnavailable);
    expect(error.message).not.toContain('s3cret');
    expect(JSON.stringify(pool.healthOf('acme'))).not.toContain('s3cret');
  });

  it('never lends what is disposed of and leaves nothing behind, in whatever order things happen', async () => {
    const step = fc.record({
      what: fc.constantFrom('use', 'use', 'use', 'retire', 'forget', 'idle'),
      id: fc.constantFrom('acme', 'globex', 'initech', 'umbrella'),
      settings: fc.constantFrom('a', 'b'),
      fails: fc.constantFrom('no', 'no', 'no', 'making', 'use'),
    });
    const property = fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 40 }), async (s, steps) => {
      const made: Thing[] = [];
      const lent: boolean[] = [];
      const { pool } = poolOf({
        dispose: async (thing) => {
          await s.schedule(Promise.resolve(), 'dispose');
          expect(thing.disposed).toBe(false);
          thing.disposed = true;
        },
      });
      const make = async (id: string, settings: string, fails: string): Promise<Thing> => {
        await s.schedule(Promise.resolve(), 'make');
        if (fails === 'making') throw new OfThePeer('no');
        const thing = { of: id, settings, disposed: false };
        made.push(thing);
        return thing;
      };
      const uses: Promise<unknown>[] = [];
      const { task } = s.scheduleSequence(
        steps.map(({ what, id, settings, fails }) => () => {
          if (what === 'retire') pool.retire(id);
          else if (what === 'forget') pool.forget(id);
          else if (what === 'idle') pool.retireIdle(Infinity);
          else {
            const wanted = { id, fingerprint: settings, make: () => make(id, settings, fails) };
            const use = pool.use(wanted, async (thing) => {
              lent.push(thing.of === id && thing.settings === settings && !thing.disposed);
              await s.schedule(Promise.resolve(), 'use');
              lent.push(!thing.disposed);
              if (fails === 'use') throw new OfThePeer('no');
            });
            uses.push(use.catch(() => undefined));
          }
          return Promise.resolve();
        }),
      );
      await s.waitFor(task);
      const closed = pool.close();
      await s.waitFor(Promise.all([closed, ...uses]));
      expect(lent).not.toContain(false);
      expect(made.filter(({ disposed }) => !disposed)).toEqual([]);
      expect(pool.count).toBe(0);
    });
    await fc.assert(property, { numRuns: 300 });
  });
});
