import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveCache } from './live.cache.js';

const SOURCE = { live: true, onChange: () => undefined };

describe('an entry whose changes may not be heard of', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    // No process is younger than that when it looks something up.
    vi.advanceTimersByTime(1000);
  });
  afterEach(() => void vi.useRealTimers());

  function cache(load: (key: string) => Promise<{ text: string } | undefined>) {
    return new LiveCache(SOURCE, load, 100, (key) => (key.startsWith('away') ? 800 : undefined));
  }

  it('is believed for so long and then asked for again, absent or not; others stay', async () => {
    const load = vi.fn((key: string) => Promise.resolve(key.endsWith('none') ? undefined : { text: key }));
    const entries = cache(load);
    const keys = ['away', 'away-none', 'home', 'home-none'];
    for (const key of keys) await entries.find(key);
    vi.advanceTimersByTime(790);
    for (const key of keys) await entries.find(key);
    expect(load).toHaveBeenCalledTimes(4);
    vi.advanceTimersByTime(20);
    for (const key of keys) await entries.find(key);
    expect(load.mock.calls.slice(4)).toEqual([['away'], ['away-none']]);
  });

  it('is as old as the question it answers, and an old question is not waited for', async () => {
    const answers: ((value: { text: string }) => void)[] = [];
    const entries = cache(() => new Promise((resolve) => answers.push(resolve)));
    const first = entries.find('away');
    vi.advanceTimersByTime(500);
    const joined = entries.find('away');
    vi.advanceTimersByTime(400);
    const second = entries.find('away');
    expect(answers).toHaveLength(2);
    answers[0]!({ text: 'old' });
    expect([await first, await joined]).toEqual([{ text: 'old' }, { text: 'old' }]);
    const third = entries.find('away');
    answers[1]!({ text: 'new' });
    expect([await second, await third]).toEqual([{ text: 'new' }, { text: 'new' }]);
    expect(entries.find('away')).toEqual({ text: 'new' });
  });
});
