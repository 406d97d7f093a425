import type { Tenant } from './tenant.js';

/** Whose settings are asked for. */
export type BoundsOwner = Pick<Tenant, 'settings' | 'inherited'>;

/** A setting that the kernel reads; the kernel is below the slice that declares settings. */
export interface Bound {
  readonly key: string;
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

/** How long one statement of a tenant may take, in ms. By default as long as the database roles say, 30 s. */
export const STATEMENT_TIMEOUT: Bound = {
  key: 'limits.statement_timeout_ms',
  min: 100,
  max: 600_000,
  default: 30_000,
};
/** How many rows one query of a repository may read. Pages of modules are smaller than the least. */
export const MAX_ROWS: Bound = { key: 'limits.max_rows', min: 2000, max: 1_000_000, default: 10_000 };

/** The value in force: the tenant's own, else its plan's, else the platform's. One that is not allowed counts as none. */
export function boundOf({ settings, inherited }: BoundsOwner, { key, min, max, default: fallback }: Bound): number {
  for (const layer of [settings, inherited?.plan, inherited?.platform]) {
    const value = layer?.[key];
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  }
  return fallback;
}
