import { isUuid } from '../../common/index.js';
import { PLANS } from '../plans.js';
import { TENANT_KINDS, type TenantKind } from '../tenant.record.js';
import { ArchiveInvalid } from './archive.errors.js';

export const FORMAT = 1;
/** Of what is said of a tenant, as JSON, in characters. */
const MAX_ENTRY = 256 * 1024;
const NAME = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u;
/** ISO 8601 with a zone, in years that PostgreSQL and JavaScript both know. */
const INSTANT = /^(19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/;

/** The first line: what is needed to know what to do with the rest. */
export interface Manifest {
  format: typeof FORMAT;
  application: string;
  /** The newest migration of the place that it was read from. */
  migration: string;
  /** ISO 8601; of the snapshot. */
  made_at: string;
  tenant: {
    id: string;
    slug: string;
    name: string;
    plan: string;
    kind: TenantKind;
    settings: Record<string, unknown>;
    extra: Record<string, unknown>;
    expires_at: string | null;
    created_at: string;
  };
  secrets: 'sealed' | 'left out';
  /** Of the MASTER_KEY that credentials are good under; only where secrets are sealed. */
  keys?: string;
  left_out: { table: string; column?: string; why: string }[];
}

/**
 * What an archive says of itself. It may come from anybody, so every value of it that is used is looked at.
 *
 * @throws ArchiveInvalid
 */
export function manifestOf(value: unknown): Manifest {
  const manifest = value as Manifest | undefined;
  if (!isRecord(manifest) || !isRecord(manifest.tenant)) throw new ArchiveInvalid('it has no manifest');
  if (manifest.format !== FORMAT) throw new ArchiveInvalid(`its format ${JSON.stringify(manifest.format)} is unknown`);
  const { tenant } = manifest;
  const wrong = Object.entries({
    'what it was made by': isText(manifest.application) && isText(manifest.migration) && isInstant(manifest.made_at),
    'what it says of secrets': ['sealed', 'left out'].includes(manifest.secrets) && isOptionalText(manifest.keys),
    'the list of what it leaves out': Array.isArray(manifest.left_out),
    'the id of its tenant': isText(tenant.id) && isUuid(tenant.id),
    'the slug of its tenant': isText(tenant.slug),
    'the name of its tenant': isText(tenant.name) && NAME.test(tenant.name),
    'the plan of its tenant': (PLANS as readonly string[]).includes(tenant.plan),
    'the kind of its tenant': TENANT_KINDS.includes(tenant.kind),
    'the settings of its tenant': isRecord(tenant.settings),
    'what else it says of its tenant': isRecord(tenant.extra) && isStorable(tenant),
    'when its tenant ends': tenant.expires_at === null || isInstant(tenant.expires_at),
    'when its tenant was made': isInstant(tenant.created_at),
  }).find(([, right]) => !right);
  if (wrong) throw new ArchiveInvalid(`${wrong[0]} is nothing that an export would write`);
  return manifest;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 1000;
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isInstant(value: unknown): boolean {
  return isText(value) && INSTANT.test(value) && !Number.isNaN(Date.parse(value));
}

/** PostgreSQL takes no NUL in a text, and no half of a pair of surrogates. */
function isStorable(value: object): boolean {
  const text = JSON.stringify(value);
  return text.length <= MAX_ENTRY && !/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/.test(text);
}
