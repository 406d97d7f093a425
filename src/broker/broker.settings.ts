import { declareSecret, Satisfies } from '../settings/index.js';

/** Address and password in one, so that neither goes with another's. */
export const BROKER_URL = declareSecret({
  key: 'broker.url',
  description: 'Your own Redis, for what modules of this platform hand over to you.',
  rules: [Satisfies('isRedisUrl', (value) => typeof value === 'string' && isRedisUrl(value))],
  allowed: 'redis://[user:password@]host[:port][/database] or rediss://…, special characters percent-encoded',
  changedBy: 'owner',
});

function isRedisUrl(text: string): boolean {
  if (text.length > 1000 || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return /^rediss?:$/.test(protocol) && hostname !== '' && /^(\/\d{0,5})?$/.test(pathname) && search + hash === '';
}
