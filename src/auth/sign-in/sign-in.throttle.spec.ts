import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../common/index.js';
import { TooManyAttempts } from './sign-in.errors.js';
import { type SignInAttempt, SignInThrottle } from './sign-in.throttle.js';

const ACME = newId();
const GLOBEX = newId();
const OWNER = 'owner@acme.example';
const HOME = '192.0.2.1';
const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;
/** As the class promises: 10 at once, then after 1, 2, 4, 8, 16 s, then one in 30 s. */
const GUESSES_A_DAY = 2893;
const GUESSES_A_DAY_ON_A_TRUSTED_ADDRESS = 108;

interface Try {
  tenant?: string;
  account?: string;
  address?: string;
  trusted?: boolean;
  forgivenMsAgo?: number;
}

/** A throttle on a clock of its own, and a door that says how long it stays shut. */
function door(capacity?: number) {
  const clock = { now: 5_000 };
  const throttle = new SignInThrottle({ now: () => clock.now, capacity });
  const knock = ({ tenant = ACME, account = OWNER, address = HOME, trusted = false, forgivenMsAgo }: Try = {}) => {
    try {
      return { attempt: throttle.check(tenant, account, address, { trusted, forgivenMsAgo }), wait: 0 };
    } catch (error) {
      if (!(error instanceof TooManyAttempts)) throw error;
      return { attempt: undefined, wait: error.retryAfterSeconds };
    }
  };
  const attempt = (from?: Try): SignInAttempt => {
    const { attempt: admitted } = knock(from);
    if (!admitted) throw new Error('This attempt was meant to get through.');
    return admitted;
  };
  return { clock, throttle, knock, attempt };
}

/** The n-th address of many, each in a bucket of its own. */
const bot = (n: number): string => `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`;

describe('wrong passwords for one account from one address', () => {
  it('wait 1 s after the fourth, then twice as long each time, at most 15 min', () => {
    const { clock, knock, attempt } = door();
    for (let i = 0; i < 4; i++) attempt({ trusted: true });
    const waits: number[] = [];
    for (let i = 0; i < 13; i++) {
      const { wait } = knock({ trusted: true });
      waits.push(wait);
      clock.now += wait * SECOND;
      attempt({ trusted: true });
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  });

  it('are answered 429 with the seconds to wait', () => {
    const { throttle, attempt } = door();
    for (let i = 0; i < 4; i++) attempt();
    expect(() => throttle.check(ACME, OWNER, HOME, { trusted: false })).toThrow(
      expect.objectContaining({ status: 429, code: 'too_many_attempts', headers: { 'Retry-After': '1' } }),
    );
  });

  it('are let in when the time named is over, and not before', () => {
    const { clock, knock, attempt } = door();
    for (let i = 0; i < 4; i++) attempt();
    clock.now += 999;
    expect(knock().wait).toBe(1);
    clock.now += 1;
    expect(knock().wait).toBe(0);
  });

  it('do not wait longer for having knocked in between', () => {
    const { clock, knock, attempt } = door();
    for (let i = 0; i < 5; i++) {
      clock.now += SECOND;
      attempt();
    }
    for (let i = 0; i < 100; i++) expect(knock().wait).toBe(2);
    clock.now += 2 * SECOND;
    expect(knock().wait).toBe(0);
  });

  it('hold each other while they are still being checked', () => {
    const { knock } = door();
    const parallel = Array.from({ length: 100 }, () => knock());
    expect(parallel.filter(({ attempt }) => attempt).length).toBe(4);
  });

  it('are forgotten with the right one', () => {
    const { clock, attempt, knock } = door();
    for (let i = 0; i < 8; i++) {
      attempt();
      clock.now += 20 * SECOND;
    }
    attempt().succeeded();
    for (let i = 0; i < 4; i++) attempt({ trusted: true });
    expect(knock({ trusted: true }).wait).toBe(1);
  });

  it('do not count when no password was looked at, however often that is said', () => {
    const { clock, attempt, knock } = door();
    for (let i = 0; i < 200; i++) {
      const busy = attempt();
      busy.abandoned();
      busy.abandoned();
      busy.succeeded();
    }
    for (let i = 0; i < 4; i++) attempt();
    expect(knock().wait).toBe(1);
    clock.now += SECOND;
    attempt();
    expect(knock().wait).toBe(2);
  });

  it('of acme do not hold the same email at globex, nor another spelling of it differently', () => {
    const { attempt, knock } = door();
    for (let i = 0; i < 4; i++) attempt({ account: i % 2 ? OWNER : ' Owner@ACME.example ' });
    expect(knock().wait).toBe(1);
    expect(knock({ tenant: GLOBEX }).wait).toBe(0);
  });
});

describe('wrong passwords from one address', () => {
  it('for many accounts stop after 50 in 15 min, until the oldest is past', () => {
    const { clock, attempt, knock } = door();
    for (let i = 0; i < 50; i++) {
      attempt({ account: `user-${i}@acme.example`, tenant: i % 2 ? ACME : GLOBEX });
      clock.now += SECOND;
    }
    expect(knock({ account: 'one-more@acme.example' }).wait).toBe(15 * 60 - 50);
    expect(knock({ account: 'one-more@acme.example', address: '192.0.2.2' }).wait).toBe(0);
    clock.now += (15 * 60 - 50) * SECOND;
    expect(knock({ account: 'one-more@acme.example' }).wait).toBe(0);
    expect(knock({ account: 'yet-another@acme.example' }).wait).toBe(1);
  });

  it('are counted for a whole /64, and for IPv4 however it is written', () => {
    const { attempt, knock } = door();
    for (let i = 0; i < 50; i++) attempt({ account: `user-${i}`, address: `2001:db8::${i.toString(16)}` });
    expect(knock({ account: 'other', address: '2001:db8:0:0:ffff::' }).wait).toBe(900);
    expect(knock({ account: 'other', address: '2001:db8:0:1::' }).wait).toBe(0);
    for (let i = 0; i < 50; i++) attempt({ account: `user-${i}`, address: i % 2 ? HOME : `::ffff:${HOME}` });
    expect(knock({ account: 'other' }).wait).toBe(900);
  });

  it('are remembered 50 at a time, so that many trusted mistypers beside neither pile up nor break the time named', () => {
    const { clock, attempt, knock } = door();
    for (let i = 0; i < 200; i++) {
      attempt({ account: `user-${i}@acme.example`, trusted: true });
      clock.now += SECOND;
    }
    const { wait } = knock({ account: 'stranger' });
    expect(wait).toBe(15 * 60 - 50);
    clock.now += wait * SECOND;
    expect(knock({ account: 'stranger' }).wait).toBe(0);
  });

  it('leave an office of hundreds alone that signs in rightly', () => {
    const { attempt } = door();
    for (let i = 0; i < 500; i++) attempt({ account: `user-${i}@acme.example` }).succeeded();
  });
});

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

describe('an owner who has shown that the account is theirs', () => {
  it('has the failures from before forgiven at that address, and none after', () => {
    const { clock, knock } = door();
    for (let n = 0; n < 8; n++) {
      clock.now += knock().wait * SECOND;
      knock();
    }
    expect(knock({ trusted: true }).wait).toBeGreaterThan(1);
    const shownAt = clock.now;
    clock.now += 10;
    const again = () => knock({ trusted: true, forgivenMsAgo: clock.now - shownAt });
    for (let n = 0; n < 4; n++) expect(again().wait).toBe(0);
    expect(again().wait).toBe(1);
    expect(knock({ trusted: true, address: '192.0.2.2', forgivenMsAgo: clock.now - shownAt }).wait).toBe(0);
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
