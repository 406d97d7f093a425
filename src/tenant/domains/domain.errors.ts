import { AppError } from '../../common/index.js';
import type { DomainProblem } from '../../tenancy/index.js';

const PROBLEMS: Record<DomainProblem, string> = {
  malformed: 'must be a domain name such as chat.example.com, without scheme and path',
  too_long: 'must be at most 243 characters, each part at most 63',
  wildcard: 'must be one name, without a wildcard',
  is_address: 'must be a name; this is an IP address',
  single_label: 'must have at least two parts',
  is_public_suffix: 'must be beneath a public suffix; under this one anybody can register',
  unknown_suffix: 'must end in a suffix that the public DNS has',
  reserved: 'must not be a name of this service itself',
};

/** The name cannot be a tenant's own domain; the code says why: `domain_is_address`, `domain_reserved`, … */
export class DomainRefused extends AppError {
  constructor(problem: DomainProblem) {
    super({
      status: 422,
      code: `domain_${problem}`,
      detail: 'This name cannot be a domain of your own.',
      remedy: 'Give the bare name under which people shall reach you, such as chat.example.com.',
      errors: [{ pointer: '/domain', detail: PROBLEMS[problem] }],
    });
  }
}

export class UnknownDomain extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'domain_not_found',
      detail: 'There is no such domain here.',
      remedy: 'See GET /api/domains for those there are.',
    });
  }
}

export class DomainExists extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'domain_exists',
      detail: 'This domain is on your list already.',
      remedy: 'See GET /api/domains for its TXT record.',
    });
  }
}

/** Told only to who has just proven the domain too. */
export class DomainTaken extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'domain_taken',
      detail: 'Another customer has proven this domain first.',
      remedy: 'Have its TXT record removed there; it is freed when its proof has been missing for three days.',
    });
  }
}

export class TooManyDomains extends AppError {
  /** @param limit how many there may be @param pending whether only unproven ones are counted */
  constructor(limit: number, pending: boolean) {
    super({
      status: 409,
      code: pending ? 'too_many_pending_domains' : 'too_many_domains',
      detail: `There are ${limit} ${pending ? 'unproven ' : ''}domains already, and no more are taken.`,
      remedy: pending ? 'Prove one of them, or remove one.' : 'Remove one first.',
    });
  }
}

export class DomainUnproven extends AppError {
  /** @param finding what was found instead @param record what has to be there */
  constructor(finding: string, record: { name: string; value: string }) {
    super({
      status: 409,
      code: 'domain_unproven',
      detail: `The DNS does not show the proof yet: ${finding}.`,
      remedy: `Set a TXT record at ${record.name} with the text ${record.value}, wait until it has spread, try again.`,
    });
  }
}

export class DomainNotVerified extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'domain_not_verified',
      detail: 'Links can only lead to a verified domain.',
      remedy: 'Verify it first, with POST /api/domains/{id}/verify.',
    });
  }
}

/** The DNS gave no answer, which says nothing about the domain. */
export class DnsUnavailable extends AppError {
  /** @param finding what became of the question */
  constructor(finding: string) {
    super({
      status: 503,
      code: 'dns_unavailable',
      detail: `The DNS gave no answer: ${finding}.`,
      remedy: 'Try again shortly; the proof is also looked for by itself.',
      headers: { 'Retry-After': '60' },
    });
  }
}

export class CheckedJustNow extends AppError {
  /** @param seconds until the next look */
  constructor(seconds: number) {
    super({
      status: 429,
      code: 'domain_checked_just_now',
      detail: 'This domain was looked up a moment ago.',
      remedy: `Try again in ${seconds} seconds.`,
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
