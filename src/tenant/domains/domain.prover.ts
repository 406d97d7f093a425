import { NODATA, NOTFOUND } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import { TenantTransaction } from '../../tenancy/index.js';
import { proofRecord, type TenantDomain } from './tenant-domain.js';

/** Of one question to one server, in ms; c-ares asks twice. */
const TIMEOUT_MS = 2000;
const TRIES = 2;
/** Of everything about one domain, in ms. */
const TOTAL_MS = 15_000;
/** As many aliases in a row as common resolvers follow. */
const MAX_ALIASES = 8;

/** What the DNS says of a proof. `silent` says nothing about the domain: nobody answered, or not sensibly. */
export type Proof = { kind: 'shown' } | { kind: 'missing' | 'silent'; finding: string };

/** Asks the DNS for the TXT record that proves a domain. */
@Injectable()
export class DomainProver {
  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly transaction: TenantTransaction,
  ) {}

  /** Never throws for what the DNS does. @param signal ends the question, as `silent` */
  async look(domain: Pick<TenantDomain, 'domain' | 'token'>, signal?: AbortSignal): Promise<Proof> {
    this.transaction.assertNone('The DNS');
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (this.env.dnsServers) resolver.setServers(this.env.dnsServers);
    const ended = AbortSignal.any([AbortSignal.timeout(TOTAL_MS), ...(signal ? [signal] : [])]);
    const cancel = (): void => resolver.cancel();
    ended.addEventListener('abort', cancel);
    try {
      return await this.ask(resolver, proofRecord(domain), ended);
    } catch (error) {
      return { kind: 'silent', finding: `the look-up ended with ${codeOf(error)}` };
    } finally {
      ended.removeEventListener('abort', cancel);
    }
  }

  private async ask(resolver: Resolver, { name, value }: { name: string; value: string }, ended: AbortSignal) {
    let at = name;
    for (let hop = 0; hop <= MAX_ALIASES; hop += 1) {
      ended.throwIfAborted();
      const texts = await orNothing(resolver.resolveTxt(at));
      if (texts.length > 0) return judged(texts, value);
      // A resolver follows aliases by itself; one that answers the alias alone leaves that to us.
      const [alias] = await orNothing(resolver.resolveCname(at));
      if (alias === undefined) return { kind: 'missing', finding: `there is no TXT record at ${name}` } as const;
      at = alias;
    }
    return { kind: 'missing', finding: `${name} leads through more than ${MAX_ALIASES} aliases` } as const;
  }
}

/** One record may come in several strings of up to 255 bytes each (RFC 1035, section 3.3.14). */
function judged(texts: string[][], value: string): Proof {
  const shown = texts.some((strings) => strings.join('').trim() === value);
  return shown ? { kind: 'shown' } : { kind: 'missing', finding: 'the TXT record there holds another text' };
}

/** An empty answer for a name that does not exist or has no such record; all else is no answer. */
async function orNothing<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const code = codeOf(error);
    if (code === NOTFOUND || code === NODATA) return [];
    throw error;
  }
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === 'string' ? code : (name ?? 'an error');
}
