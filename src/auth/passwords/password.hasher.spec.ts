import { hashSync, verify } from '@node-rs/argon2';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PASSWORD_MAX_BYTES, PasswordHasher } from './password.hasher.js';

// Watches which hash is checked; every call still runs the real Argon2.
vi.mock('@node-rs/argon2', { spy: true });

const CURRENT = '$argon2id$v=19$m=19456,t=2,p=1$';
const hasher = new PasswordHasher({ passwordHashConcurrency: 1, passwordHashQueue: 64 });
const settled = (promises: Promise<unknown>[]) => Promise.allSettled(promises);

beforeEach(() => {
  vi.mocked(verify).mockClear();
});

describe('a password', () => {
  it('is hashed by Argon2id with the current parameters, salted, and recognised', async () => {
    const [first, second] = await Promise.all([hasher.hash('correct horse'), hasher.hash('correct horse')]);
    expect(first.startsWith(CURRENT)).toBe(true);
    expect(first).not.toBe(second);
    expect(await hasher.verify(first, 'correct horse')).toEqual({ ok: true, rehash: false });
    expect(await hasher.verify(first, 'correct horsf')).toEqual({ ok: false, rehash: false });
    expect(await hasher.verify(first, '')).toEqual({ ok: false, rehash: false });
  });

  it('is the same whether a letter came composed or not', async () => {
    const stored = await hasher.hash('caf\u00e9 au lait');
    expect((await hasher.verify(stored, 'cafe\u0301 au lait')).ok).toBe(true);
    // No further than that: compatibility forms are different passwords.
    expect((await hasher.verify(await hasher.hash('\ufb01nance'), 'finance')).ok).toBe(false);
  });

  it('is never cut: 1024 bytes are taken, one more is refused', async () => {
    const longest = 'é'.repeat(PASSWORD_MAX_BYTES / 2);
    const stored = await hasher.hash(longest);
    expect((await hasher.verify(stored, longest)).ok).toBe(true);
    expect((await hasher.verify(stored, `${longest}x`)).ok).toBe(false);
    await expect(hasher.hash(`${longest}x`)).rejects.toMatchObject({ status: 422, code: 'validation_failed' });
  });
});

describe('a stored hash', () => {
  const made = (memoryCost: number, timeCost: number, parallelism = 1) =>
    hashSync('correct horse', { memoryCost, timeCost, parallelism });

  it.each([
    ['less memory', made(12_288, 2), true],
    ['fewer passes', made(19_456, 1), true],
    ['less of both', made(8_192, 1), true],
    ['the current parameters', made(19_456, 2), false],
    ['other lanes', made(19_456, 2, 2), false],
    ['more of both', made(65_536, 3), false],
    ['more memory for fewer passes', made(47_104, 1), false],
    ['more passes for less memory', made(7_168, 5), false],
    ['Argon2i', hashSync('correct horse', { algorithm: 1, memoryCost: 65_536, timeCost: 3 }), true],
    ['Argon2 1.0', hashSync('correct horse', { version: 0, memoryCost: 19_456, timeCost: 2 }), true],
  ])('of %s asks for a new one or not', async (_what, stored, rehash) => {
    expect(await hasher.verify(stored, 'correct horse')).toEqual({ ok: true, rehash });
    expect(await hasher.verify(stored, 'wrong horse')).toEqual({ ok: false, rehash: false });
  });

  it('that is none is an error of ours, not a wrong password', async () => {
    await expect(hasher.verify('{SHA}zzz', 'correct horse')).rejects.toThrow();
  });
});

describe('an unknown user', () => {
  it('costs the same work as a wrong password and is never right', async () => {
    expect(await hasher.verify(undefined, 'correct horse')).toEqual({ ok: false, rehash: false });
    expect(await hasher.verify(await hasher.hash('correct horse'), 'wrong horse')).toMatchObject({ ok: false });
    const checked = vi.mocked(verify).mock.calls;
    expect(checked).toHaveLength(2);
    for (const [stored, password] of checked) {
      expect(String(stored).slice(0, CURRENT.length)).toBe(CURRENT);
      expect(password.length).toBeGreaterThan(0);
    }
  });

  it('costs it with a password that is too long as well, as does a known one', async () => {
    const stored = await hasher.hash('correct horse');
    expect(await hasher.verify(undefined, 'x'.repeat(2000))).toMatchObject({ ok: false });
    expect(await hasher.verify(stored, 'x'.repeat(2000))).toMatchObject({ ok: false });
    expect(vi.mocked(verify)).toHaveBeenCalledTimes(2);
  });
});

describe('the queue', () => {
  it('turns away what is past it with 503, and serves the rest', async () => {
    const small = new PasswordHasher({ passwordHashConcurrency: 2, passwordHashQueue: 3 });
    const outcomes = await settled(Array.from({ length: 20 }, () => small.verify(undefined, 'correct horse')));
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 5 }, () => 'fulfilled'),
      ...Array.from({ length: 15 }, () => 'rejected'),
    ]);
    for (const outcome of outcomes.slice(5)) {
      const { reason } = outcome as PromiseRejectedResult;
      expect(reason).toMatchObject({ status: 503, code: 'sign_in_busy' });
      expect(Number(reason.headers['Retry-After'])).toBeGreaterThanOrEqual(1);
    }
    expect(await small.verify(undefined, 'correct horse')).toMatchObject({ ok: false });
  });

  it('never runs more at once than it may', async () => {
    const { verify: native } = await vi.importActual<typeof import('@node-rs/argon2')>('@node-rs/argon2');
    let running = 0;
    let most = 0;
    vi.mocked(verify).mockImplementation(async (...args) => {
      most = Math.max(most, ++running);
      try {
        return await native(...args);
      } finally {
        running--;
      }
    });
    try {
      const two = new PasswordHasher({ passwordHashConcurrency: 2, passwordHashQueue: 64 });
      const leaving = new AbortController();
      const all = Array.from({ length: 12 }, (_, i) =>
        two.verify(undefined, 'correct horse', i < 6 ? leaving.signal : undefined),
      );
      // Two of those who leave are being hashed: their places are not free before that is done.
      leaving.abort();
      await settled(all);
      expect(most).toBe(2);
    } finally {
      vi.mocked(verify).mockImplementation(native);
    }
  });

  it('spends nothing on somebody who has left, and goes on', async () => {
    const leaving = new AbortController();
    const first = hasher.verify(undefined, 'correct horse');
    const left = hasher.verify(undefined, 'correct horse', leaving.signal);
    const last = hasher.verify(undefined, 'correct horse');
    leaving.abort();
    const [, dropped] = await settled([first, left, last]);
    expect(dropped?.status).toBe('rejected');
    expect(vi.mocked(verify)).toHaveBeenCalledTimes(2);
  });

  it('goes on after an error', async () => {
    const alone = new PasswordHasher({ passwordHashConcurrency: 1, passwordHashQueue: 1 });
    await settled([alone.verify('no hash', 'x'), alone.verify('no hash', 'x')]);
    expect(await alone.verify(undefined, 'x')).toMatchObject({ ok: false });
  });

  it('may have no room at all to wait', async () => {
    const none = new PasswordHasher({ passwordHashConcurrency: 1, passwordHashQueue: 0 });
    const outcomes = await settled([none.hash('correct horse'), none.hash('correct horse')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});
