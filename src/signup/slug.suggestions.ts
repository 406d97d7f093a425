import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SLUG } from '../tenancy/index.js';
import { isReservedSlug, SlugHolds } from '../tenant/index.js';

const MOST = 3;
const SUFFIXES = ['hq', 'team', 'app', 'online', 'group'];
/** With four digits at least one is free however many were taken before. */
const RANDOM = 6;
const MAX_SLUG = 63;

/** Free slugs like one that is taken. One statement over a dozen candidates, whatever is taken. */
@Injectable()
export class SlugSuggestions {
  constructor(private readonly holds: SlugHolds) {}

  for(slug: string, company: string): Promise<string[]> {
    const fromName = slugOf(company);
    const numbers = Array.from({ length: RANDOM }, () => String(randomInt(1000, 10_000)));
    const candidates = [fromName, ...[...SUFFIXES, ...numbers].map((suffix) => withSuffix(slug, suffix))];
    const valid = candidates.filter((text) => text !== slug && SLUG.test(text) && !isReservedSlug(text));
    return this.holds.freeOf([...new Set(valid)], MOST);
  }
}

function withSuffix(slug: string, suffix: string): string {
  return `${slug.slice(0, MAX_SLUG - suffix.length - 1).replace(/-+$/, '')}-${suffix}`;
}

/** `Ärzte & Söhne GmbH` is arzte-sohne-gmbh; empty when nothing is left. */
function slugOf(name: string): string {
  const plain = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  return plain
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_SLUG)
    .replaceAll(/^-+|-+$/g, '');
}
