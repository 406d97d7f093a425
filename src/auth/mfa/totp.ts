import { Secret, TOTP } from 'otpauth';

// What authenticator apps assume when they ignore the parameters of the URI (Key URI Format).
const PARAMETERS = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
const SECRET_BYTES = 20;
const WINDOW_STEPS = 1;

/** @returns 160 random bits in base32, the length that RFC 4226 recommends */
export function newTotpSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32;
}

/**
 * What the QR code of an enrolment holds (Key URI Format).
 *
 * @param secret base32, of {@link newTotpSecret}
 * @param issuer the tenant's name
 * @param account the person's email
 */
export function totpUri(secret: string, issuer: string, account: string): string {
  return new TOTP({ ...PARAMETERS, secret, issuer: withoutColon(issuer), label: withoutColon(account) }).toString();
}

/**
 * Checks a code by RFC 6238, one step (30 s) of clock drift either way.
 *
 * A code stays right for 90 s, so the caller stores the step it was used for and refuses it, and any before it, in the
 * same statement (`UPDATE … SET last_step = $1 WHERE last_step < $1`): otherwise a code seen over a shoulder works again.
 *
 * @param nowMs Unix time in milliseconds
 * @returns the time step the code belongs to, or undefined if it is wrong
 */
export function verifyTotp(secret: string, code: string, nowMs = Date.now()): number | undefined {
  const token = code.replaceAll(/\s/g, '');
  if (!/^[0-9]{6}$/.test(token)) return undefined;
  const totp = new TOTP({ ...PARAMETERS, secret });
  const drift = totp.validate({ token, timestamp: nowMs, window: WINDOW_STEPS });
  return drift === null ? undefined : totp.counter({ timestamp: nowMs }) + drift;
}

/** The format forbids a colon inside either part, escaped or not: it parts issuer from account. */
function withoutColon(text: string): string {
  const parts = text.toWellFormed().split(':');
  return parts
    .map((part) => part.trim())
    .join(' ')
    .trim();
}
