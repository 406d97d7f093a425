import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkLoop } from './work-loop.js';

const POLL_MS = 400;

/** A loop whose passes the test ends one by one, each with what it says. */
function loopUnderTest() {
  const begun: { end: (more?: boolean) => void; fail: (error: Error) => void }[] = [];
  const failures: unknown[] = [];
  const loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () =>
      new Promise<boolean>((resolve, reject) => begun.push({ end: (more = false) => resolve(more), fail: reject })),
    failed: (error) => failures.push(error),
  });
  const settle = () => vi.advanceTimersByTimeAsync(0);
  return {
    loop,
    failures,
    passes: () => begun.length,
    end: async (more?: boolean) => {
      begun.at(-1)?.end(more);
      await settle();
    },
    fail: async () => {
      begun.at(-1)?.fail(new Error('not reachable'));
      await settle();
    },
  };
}

describe('WorkLoop', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('looks unasked, within the poll time', async () => {
    const { loop, passes, end } = loopUnderTest();
    loop.start();
    expect(passes()).toBe(1);
    await end();
    expect(passes()).toBe(1);
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(passes()).toBe(2);
  });

  it('looks again at once while there may be more', async () => {
    const { loop, passes, end } = loopUnderTest();
    loop.start();
    await end(true);
    expect(passes()).toBe(2);
  });

  it('looks at once when woken', async () => {
    const { loop, passes, end } = loopUnderTest();
    loop.start();
    await end();
    loop.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(passes()).toBe(2);
  });

  it('does not lose what it was woken for during a pass', async () => {
    const { loop, passes, end } = loopUnderTest();
    loop.start();
    loop.wake();
    expect(passes()).toBe(1);
    await end();
    expect(passes()).toBe(2);
    await end();
    expect(passes()).toBe(2);
  });

  it('never has two passes under way', async () => {
    const { loop, passes, end } = loopUnderTest();
    loop.start();
    loop.start();
    loop.wake();
    await vi.advanceTimersByTimeAsync(POLL_MS * 10);
    expect(passes()).toBe(1);
    await end();
    expect(passes()).toBe(2);
  });

  it('works in the scope of its start, whoever wakes it', async () => {
    const scope = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const loop = new WorkLoop({
      pollMs: POLL_MS,
      pass: () => Promise.resolve(seen.push(scope.getStore()) < 0),
      failed: () => undefined,
    });
    loop.start();
    await vi.advanceTimersByTimeAsync(0);
    scope.run('acme', () => loop.wake());
    await vi.advanceTimersByTimeAsync(0);
    expect(seen).toEqual([undefined, undefined]);
  });

  describe('when passes fail', () => {
    it('waits twice as long each time, up to eight times, and tells of it once', async () => {
      const { loop, passes, fail, failures } = loopUnderTest();
      loop.start();
      for (const [index, factor] of [1, 2, 4, 8, 8].entries()) {
        await fail();
        await vi.advanceTimersByTimeAsync(POLL_MS * factor * 0.75 - 1);
        expect(passes()).toBe(index + 1);
        await vi.advanceTimersByTimeAsync(POLL_MS * factor * 0.25 + 1);
        expect(passes()).toBe(index + 2);
      }
      expect(failures).toHaveLength(1);
    });

    it('does not look sooner because it is woken', async () => {
      const { loop, passes, fail } = loopUnderTest();
      loop.start();
      loop.wake();
      await fail();
      loop.wake();
      await vi.advanceTimersByTimeAsync(POLL_MS * 0.75 - 1);
      expect(passes()).toBe(1);
      await vi.advanceTimersByTimeAsync(POLL_MS * 0.25 + 1);
      expect(passes()).toBe(2);
    });

    it('is quick again, and tells of the next failure, after one that succeeds', async () => {
      const { loop, passes, end, fail, failures } = loopUnderTest();
      loop.start();
      await fail();
      await vi.advanceTimersByTimeAsync(POLL_MS);
      await end();
      loop.wake();
      await vi.advanceTimersByTimeAsync(0);
      expect(passes()).toBe(3);
      await fail();
      expect(failures).toHaveLength(2);
    });

    it('stops without waiting for the next try', async () => {
      const { loop, fail } = loopUnderTest();
      loop.start();
      await fail();
      await loop.stop();
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe('when it is stopped', () => {
    it('waits for the pass under way and begins no other', async () => {
      const { loop, passes, end } = loopUnderTest();
      loop.start();
      loop.wake();
      let ended = false;
      const stopping = loop.stop().then(() => (ended = true));
      await vi.advanceTimersByTimeAsync(POLL_MS * 10);
      expect(ended).toBe(false);
      expect(loop.stopped).toBe(true);
      await end(true);
      await stopping;
      expect(passes()).toBe(1);
    });

    it('does nothing when woken or started afterwards', async () => {
      const { loop, passes, end } = loopUnderTest();
      loop.start();
      await end();
      await loop.stop();
      loop.wake();
      loop.start();
      await vi.advanceTimersByTimeAsync(POLL_MS * 10);
      expect(passes()).toBe(1);
      expect(vi.getTimerCount()).toBe(0);
    });

    it('ends at once when it was never started', async () => {
      const { loop, passes } = loopUnderTest();
      await loop.stop();
      loop.start();
      expect(passes()).toBe(0);
    });
  });
});
