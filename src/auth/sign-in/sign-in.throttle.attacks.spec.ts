import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bot, door, SECOND } from '../../../test/kit/sign-in-door.js';

const DAY = 24 * 3600 * SECOND;
/** As the class promises: 10 at once, then after 1, 2, 4, 8, 16 s, then one in 30 s. */
const GUESSES_A_DAY = 2893;
const GUESSES_A_DAY_ON_A_TRUSTED_ADDRESS = 108;

describe('wrong passwords for one account from everywhere', () => {
  it('leave one attempt in at most 30 s, for known and unknown accounts alike', () => {
    const { clock, attempt, knock } = door();
    for (let i = 0; i < 10; i++) attempt({ address: bot(i) });
    const waits: number[] = [];
    for (let i = 10; i < 18; i++) {
      waits.push(knock({ address: bot(i) }).wait);
      clock.now += (waits.at(-1) ?? 0) * SECOND;
      attempt({ address: bot(i) });
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it.each([Infinity, 3600, 7])(
    'give the greediest attacker with addresses without end 2,893 guesses a day, the owner signing in every %s s or not',
    (everySeconds) => {
      const { clock, knock, attempt } = door();
      const end = clock.now + DAY;
      let ownerAt = clock.now;
      let guesses = 0;
      for (let n = 0; clock.now < end; n++) {
        if (ownerAt <= clock.now) attempt({ trusted: true }).succeeded();
        if (ownerAt <= clock.now) ownerAt += everySeconds * SECOND;
        const { wait } = knock({ address: bot(n) });
        if (wait === 0) guesses++;
        clock.now += wait * SECOND;
      }
      expect(guesses).toBe(GUESSES_A_DAY);
    },
  );

  it('give somebody on a trusted address 108 guesses a day', () => {
    const { clock, knock } = door();
    const end = clock.now + DAY;
    let guesses = 0;
    while (clock.now < end) {
      const { wait } = knock({ trusted: true });
      if (wait === 0) guesses++;
      clock.now += wait * SECOND;
    }
    expect(guesses).toBe(GUESSES_A_DAY_ON_A_TRUSTED_ADDRESS);
  });

  it('are at most 34 in any 10 min, whatever the rhythm, the pauses and who signs in rightly in between', () => {
    const phase = fc.record({
      tries: fc.nat(400),
      gapMs: fc.constantFrom(0, 1, 500, SECOND, 10 * SECOND, 29_999, 30 * SECOND, 61 * SECOND),
      pauseMs: fc.constantFrom(0, SECOND, 600 * SECOND, 3600 * SECOND, DAY - 1, DAY, DAY + 1),
      ownerIs: fc.constantFrom('away', 'at home', 'on a new address'),
      addresses: fc.constantFrom(1, 3, 1_000_000),
    });
    fc.assert(
      fc.property(fc.array(phase, { maxLength: 12 }), (phases) => {
        const { clock, knock } = door();
        const guesses: number[] = [];
        let n = 0;
        for (const { tries, gapMs, pauseMs, ownerIs, addresses } of phases) {
          for (let i = 0; i < tries; i++) {
            if (knock({ address: bot(++n % addresses) }).attempt) guesses.push(clock.now);
            clock.now += gapMs;
          }
          if (ownerIs !== 'away') knock({ trusted: ownerIs === 'at home' }).attempt?.succeeded();
          clock.now += pauseMs;
        }
        let from = 0;
        guesses.forEach((at, index) => {
          while ((guesses[from] as number) <= at - 600 * SECOND) from++;
          expect(index - from + 1).toBeLessThanOrEqual(34);
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe('the owner of an account', () => {
  const step = fc.record({
    advanceMs: fc.constantFrom(0, 100, SECOND, 20 * SECOND, 600 * SECOND),
    who: fc.constantFrom('owner mistypes', 'owner signs in', 'bots', 'neighbour'),
    times: fc.integer({ min: 1, max: 60 }),
  });

  it('on a trusted address is never held by what others do elsewhere, or to other accounts beside', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const crowded = door();
        const alone = door();
        let n = 0;
        for (const { advanceMs, who, times } of steps) {
          crowded.clock.now += advanceMs;
          alone.clock.now += advanceMs;
          if (who === 'bots') for (let i = 0; i < times; i++) crowded.knock({ address: bot(++n) });
          if (who === 'neighbour') for (let i = 0; i < times; i++) crowded.knock({ account: `user-${++n}` });
          if (who === 'bots' || who === 'neighbour') continue;
          const here = crowded.knock({ trusted: true });
          const there = alone.knock({ trusted: true });
          expect(here.wait).toBe(there.wait);
          if (who === 'owner signs in') {
            here.attempt?.succeeded();
            there.attempt?.succeeded();
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('who never mistypes is let in at every moment of an attack', () => {
    const { clock, knock } = door();
    for (let n = 0; n < 5000; n++) {
      knock({ address: bot(n) });
      knock({ account: `user-${n}@acme.example` });
      const mine = knock({ trusted: true });
      expect(mine.wait).toBe(0);
      mine.attempt?.succeeded();
      clock.now += 700;
    }
  });

  it('on a new address waits at most 30 s once the attack is over', () => {
    const { clock, knock } = door();
    for (let n = 0; n < 2000; n++) {
      knock({ address: bot(n) });
      clock.now += 10 * SECOND;
    }
    const { wait } = knock({ address: '198.51.100.1' });
    expect(wait).toBeLessThanOrEqual(30);
    clock.now += wait * SECOND;
    expect(knock({ address: '198.51.100.1' }).wait).toBe(0);
  });
});

describe('the memory of the throttle', () => {
  it('is bounded, whoever knocks from wherever', () => {
    const knocks = fc.array(fc.record({ account: fc.string(), address: fc.nat(5000), trusted: fc.boolean() }), {
      minLength: 200,
      maxLength: 600,
    });
    fc.assert(
      fc.property(knocks, fc.integer({ min: 1, max: 40 }), (all, capacity) => {
        const { throttle, knock, clock } = door(capacity);
        for (const { account, address, trusted } of all) {
          knock({ account, address: bot(address), trusted });
          clock.now += 10;
          expect(throttle.size).toBeLessThanOrEqual(3 * capacity);
        }
      }),
      { numRuns: 30 },
    );
  });
});
