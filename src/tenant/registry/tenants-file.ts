import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { declaredSetting } from '../../settings/index.js';
import { SLUG } from '../../tenancy/index.js';
import { PLANS } from '../plans.js';
import { isReservedSlug } from '../reserved-slugs.js';

/** One tenant as a JSON-lines file describes it. */
export interface TenantLine {
  slug: string;
  name: string;
  /** Undefined: the file does not say. */
  plan: string | undefined;
  settings: Record<string, unknown>;
  /** Fields of the line that nothing here knows; kept as they are. */
  extra: Record<string, unknown>;
  /** Where it stands in the file, from 1; undefined when it comes from none. */
  line?: number;
}

/** The file is wrong; nothing was imported. The message names each line at fault. */
export class TenantsFileError extends Error {
  constructor(readonly problems: string[]) {
    const shown = problems.slice(0, 20);
    const more = problems.length > shown.length ? [`… and ${problems.length - shown.length} more`] : [];
    super(`The tenants file was not imported:\n${[...shown, ...more].map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'TenantsFileError';
  }
}

/**
 * Reads a whole JSON-lines file of tenants.
 *
 * @throws TenantsFileError naming every wrong line
 */
export async function readTenantsFile(file: string): Promise<TenantLine[]> {
  const problems: string[] = [];
  const tenants: TenantLine[] = [];
  const lineOf = new Map<string, number>();
  let number = 0;
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });
  for await (const text of lines) {
    number += 1;
    const trimmed = number === 1 ? text.replace(/^\uFEFF/, '').trim() : text.trim();
    if (trimmed === '') continue;
    const outcome = parseTenantLine(trimmed);
    if (typeof outcome === 'string') {
      problems.push(`line ${number}: ${outcome}`);
      continue;
    }
    const earlier = lineOf.get(outcome.slug);
    if (earlier !== undefined) problems.push(`line ${number}: id "${outcome.slug}" stands in line ${earlier} already`);
    else lineOf.set(outcome.slug, number);
    tenants.push({ ...outcome, line: number });
  }
  if (tenants.length === 0 && problems.length === 0) problems.push('the file holds no tenant');
  if (problems.length > 0) throw new TenantsFileError(problems);
  return tenants;
}

/** @returns the tenant, or what is wrong with the line */
export function parseTenantLine(text: string): TenantLine | string {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    return `not JSON (${(error as Error).message})`;
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return 'must be a JSON object';
  const { id, name, plan, welcome, model, limits, ...extra } = row as Record<string, unknown>;
  if (typeof id !== 'string' || !SLUG.test(id)) {
    return `id ${JSON.stringify(id)} must be a DNS label: 1 to 63 of a-z, 0-9 and inner hyphens`;
  }
  if (isReservedSlug(id)) return `id "${id}" is reserved`;
  if (typeof name !== 'string' || name.trim() === '' || name.length > 200 || unstorable(name)) {
    return 'name must be a text of 1 to 200 characters';
  }
  if (plan !== undefined && !PLANS.includes(plan as never)) return `plan must be one of ${PLANS.join(', ')}`;
  if (unstorable(text) || text.includes('\\u0000')) return 'holds a NUL or a lone surrogate';
  const settings: Record<string, unknown> = { 'chat.public': true };
  const named: [string, unknown][] = [
    ['welcome', welcome],
    ['model', model],
  ];
  if (limits !== undefined) {
    if (typeof limits !== 'object' || limits === null || Array.isArray(limits)) return 'limits must be an object';
    const { chat_per_10s: chat, ...otherLimits } = limits as Record<string, unknown>;
    named.push(['limits.chat_per_10s', chat]);
    if (Object.keys(otherLimits).length > 0) extra['limits'] = otherLimits;
  }
  for (const [key, value] of named) {
    if (value === undefined) continue;
    const setting = declaredSetting(key);
    if (setting && !setting.accepts(value)) return `${key} must be ${setting.allowed}`;
    settings[key] = value;
  }
  return { slug: id, name, plan: plan as string | undefined, settings, extra };
}

function unstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}
