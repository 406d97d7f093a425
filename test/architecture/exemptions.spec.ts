import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** Who runs raw tenant-owned SQL, and why. Only row-level security stands between such SQL and other tenants. */
const RAW_TENANT_SQL: Record<string, string> = {
  'src/auth/account/member-mails.ts':
    'takes a lock that ends with the transaction, so that mails are counted one by one',
  'src/auth/api-keys/api-key-states.ts': 'reads a key on every miss of its cache, and notes its use',
  'src/auth/devices/device.tokens.ts': 'trades a refresh token in one UPDATE, so that exactly one of many at once wins',
  'src/auth/devices/known.addresses.ts':
    'asks with one statement for known and unknown users; upserts and trims places',
  'src/auth/mfa/mfa-challenges.ts': 'counts an attempt in the statement that reads the challenge',
  'src/auth/sign-in/sign-out.service.ts': 'raises the token version in place; deletes all devices but one',
  'src/auth/account/email.directory.ts':
    'takes a lock that ends with the transaction, so that the last reader writes last',
  'src/auth/users/user-states.ts': 'reads user, role and devices in one statement',
  'src/changes/tenant.feed.ts': 'notifies of a change by the commit of the transaction that makes it',
  'src/chat/chat.service.ts': 'stores message and reply in one statement and one flight, on the hottest path',
  'src/files/file.rows.ts': 'takes a lock that ends with the transaction, so that uploads reserve room one by one',
  'src/session/session.personal-data.ts': 'gives every session of a deleted user a random hash in place',
  'src/session/session.service.ts': 'reads a session on a hot path without hydration',
  'src/tenant/archive/row.loader.ts':
    'fills every table by its catalogue, so that one that is added later is archived, too',
  'src/tenant/provisioning/provisioning.fence.ts':
    'shares a lock that ends with the transaction, so that nobody goes on with the tenant before',
  'src/tenant/provisioning/provisioning.marks.ts':
    'sets a mark once, and locks a bookmark: inserts that give way to what is there',
  'src/idempotency/idempotency.service.ts':
    'claims a key atomically: an upsert whose WHERE the query builder cannot say',
};

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => path.posix.join(folder, file.split(path.sep).join('/')));
}

describe('exemptions', () => {
  it('list every caller of raw tenant SQL, and no other', () => {
    const callers = sources('src').filter((file) => /transaction\s*\.query[<(]/.test(readFileSync(file, 'utf8')));
    expect(callers.sort()).toEqual(Object.keys(RAW_TENANT_SQL).sort());
  });

  it('leave the tenant data source to the kernel and to those who look at its connections or at one snapshot', () => {
    const users = sources('src').filter(
      (file) => !file.startsWith('src/tenancy/') && /\bTenantDataSource\b/.test(readFileSync(file, 'utf8')),
    );
    expect(users.sort()).toEqual([
      'src/health/health.controller.ts',
      'src/metrics/metrics.service.ts',
      'src/outbox/outbox.tables.ts',
      // One snapshot of all tables, which no unit of work can have: see TenantSnapshot.
      'src/tenant/archive/tenant.exporter.ts',
      'src/tenant/archive/tenant.snapshot.ts',
      'src/tenant/moves/move.switch.ts',
      'src/tenant/places/placements.ts',
      'src/tenant/restores/restore.swap.ts',
    ]);
  });

  it('read the process environment in one place, and pass on PATH and the like in one other', () => {
    const readers = sources('src').filter((file) => readFileSync(file, 'utf8').includes('process.env'));
    expect(readers.sort()).toEqual(['src/database/postgres.command.ts', 'src/env/env.ts']);
  });
});
