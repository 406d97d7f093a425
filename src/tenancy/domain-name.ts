import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { LRUCache } from 'lru-cache';
import { parse } from 'tldts';

/** Characters; leaves room for the label of the proof, `_tenantry.`, within the 253 of RFC 1035. */
const MAX_DOMAIN = 243;
/** Longer texts are not looked at. Characters. */
const MAX_TEXT = 512;
const MEMO_SIZE = 10_000;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** What would make the host parser of the URL standard read something else than what was written. */
const NO_HOST = /[\p{Cc}\p{Z}/?#@\\%*<>^|"'`{}]/u;

/** Why a name cannot be a tenant's own domain. */
export type DomainProblem =
  | 'malformed'
  | 'too_long'
  | 'wildcard'
  | 'is_address'
  | 'single_label'
  | 'is_public_suffix'
  | 'unknown_suffix'
  | 'reserved';

export type DomainReading = { domain: string; problem?: undefined } | { domain?: undefined; problem: DomainProblem };

/**
 * Says what can be a tenant's own domain, and in which one form it is written: A-labels (RFC 5890), lower case, without
 * port and trailing dot. Addresses in any spelling, public suffixes, names that the public DNS does not have, and the
 * service's own names are none.
 */
export class DomainPolicy {
  private readonly publicHost: string;
  private readonly memo = new LRUCache<string, DomainReading>({ max: MEMO_SIZE });

  constructor(private readonly own: { baseDomain: string; publicUrl: string }) {
    this.publicHost = new URL(own.publicUrl).hostname;
  }

  /** @param text as a person typed it or a Host header says it; never throws */
  read(text: string): DomainReading {
    if (text.length > MAX_TEXT) return { problem: 'too_long' };
    let reading = this.memo.get(text);
    if (!reading) {
      reading = this.parse(text);
      this.memo.set(text, reading);
    }
    return reading;
  }

  /** Whether the name is BASE_DOMAIN, beneath it, or the host of PUBLIC_URL. */
  isOwn(domain: string): boolean {
    const { baseDomain } = this.own;
    return domain === baseDomain || domain.endsWith(`.${baseDomain}`) || domain === this.publicHost;
  }

  private parse(text: string): DomainReading {
    if (text.startsWith('*.')) return { problem: 'wildcard' };
    if (text.startsWith('[') || isIP(text) === 6) return { problem: 'is_address' };
    const named = text.replace(/:\d{1,5}$/, '');
    if (named === '' || NO_HOST.test(named) || named.includes(':')) return { problem: 'malformed' };
    const domain = domainToASCII(named).replace(/\.$/, '');
    if (isIP(domain) !== 0) return { problem: 'is_address' };
    const labels = domain.split('.');
    if (!labels.every((label) => LABEL.test(label))) {
      return { problem: labels.some((label) => label.length > 63) ? 'too_long' : 'malformed' };
    }
    if (domain.length > MAX_DOMAIN) return { problem: 'too_long' };
    if (this.isOwn(domain)) return { problem: 'reserved' };
    if (labels.length === 1) return { problem: 'single_label' };
    const known = parse(domain, { allowPrivateDomains: true });
    if ((!known.isIcann && !known.isPrivate) || labels.at(-1) === 'arpa') return { problem: 'unknown_suffix' };
    return known.domain === null ? { problem: 'is_public_suffix' } : { domain };
  }
}
