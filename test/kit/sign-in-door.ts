import { newId } from '../../src/common/index.js';
import { TooManyAttempts } from '../../src/auth/sign-in/sign-in.errors.js';
import { type SignInAttempt, SignInThrottle } from '../../src/auth/sign-in/sign-in.throttle.js';

export const ACME = newId();
export const GLOBEX = newId();
export const OWNER = 'owner@acme.example';
export const HOME = '192.0.2.1';
export const SECOND = 1000;

interface Try {
  tenant?: string;
  account?: string;
  address?: string;
  trusted?: boolean;
  forgivenMsAgo?: number;
}

/** A throttle on a clock of its own, and a door that says how long it stays shut. */
export function door(capacity?: number) {
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
export const bot = (n: number): string => `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`;
