import { declareSetting } from '../settings/index.js';

export const MIN_RETENTION_DAYS = 30;
export const MAX_RETENTION_DAYS = 3650;

/** How long a tenant's audit events are kept, in days. */
export const AUDIT_RETENTION_DAYS = declareSetting<number>({
  key: 'audit.retention_days',
  default: 365,
  allowed: `an integer from ${MIN_RETENTION_DAYS} to ${MAX_RETENTION_DAYS}`,
  accepts: (value): value is number =>
    Number.isInteger(value) && (value as number) >= MIN_RETENTION_DAYS && (value as number) <= MAX_RETENTION_DAYS,
});
