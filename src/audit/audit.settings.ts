import { Max, Min } from 'class-validator';
import { declareSetting } from '../settings/index.js';

export const MIN_RETENTION_DAYS = 30;
export const MAX_RETENTION_DAYS = 3650;

/** How long a tenant's audit events are kept, in days. */
export const AUDIT_RETENTION_DAYS = declareSetting<number>({
  key: 'audit.retention_days',
  description: 'How long the audit log is kept, in days.',
  type: 'integer',
  rules: [Min(MIN_RETENTION_DAYS), Max(MAX_RETENTION_DAYS)],
  allowed: `an integer from ${MIN_RETENTION_DAYS} to ${MAX_RETENTION_DAYS}`,
  default: 365,
  changedBy: 'owner',
  byPlan: true,
});
