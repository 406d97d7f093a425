import { describe, expect, it } from 'vitest';
import { ACME, door, GLOBEX, HOME, OWNER, SECOND } from '../../../test/kit/sign-in-door.js';

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
