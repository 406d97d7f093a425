import { Injectable } from '@nestjs/common';
import { HourlyPurge, type PurgeRun } from '../database/index.js';

/**
 * What has had its time, by table. Tokens stay an hour longer: the mails of the last quarter of an hour are counted by
 * them. Invitations stay as long as somebody may ask what became of one.
 */
const EXPIRED = {
  user_tokens: `expires_at < now() - interval '1 hour'`,
  devices: 'expires_at < now()',
  sso_sign_ins: 'expires_at < now()',
  invitations: `expires_at < now() - interval '90 days'`,
  known_addresses: `last_seen_at < now() - interval '180 days'`,
  member_mails: `sent_at < now() - interval '1 hour'`,
} as const;
const EXPIRED_OF_PLATFORM = {
  'platform.platform_devices': 'expires_at < now()',
  'platform.platform_mfa_challenges': 'expires_at < now()',
} as const;

export type AuthPurged = Record<keyof typeof EXPIRED | keyof typeof EXPIRED_OF_PLATFORM, number>;

/** Removes expired links, challenges, devices and invitations, of all tenants and of the platform. */
@Injectable()
export class AuthPurge extends HourlyPurge<AuthPurged> {
  protected ofTenants(run: PurgeRun): Promise<Partial<AuthPurged>> {
    return removeFrom(run, EXPIRED);
  }

  protected override ofPlatform(run: PurgeRun): Promise<Partial<AuthPurged>> {
    return removeFrom(run, EXPIRED_OF_PLATFORM);
  }
}

async function removeFrom<Table extends string>(
  run: PurgeRun,
  conditions: Record<Table, string>,
): Promise<Record<Table, number>> {
  const removed = {} as Record<Table, number>;
  for (const [table, expired] of Object.entries(conditions) as [Table, string][]) {
    const sql = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${expired} LIMIT $1))`;
    removed[table] = await run.removeExclusively('auth-purge', sql);
  }
  return removed;
}
