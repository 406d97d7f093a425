import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { WorkLoop } from '../common/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';

const POLL_MS = 1000;
/** Another outcome than the one that was told last is told so long after that, in ms; the same again after this. */
const CHANGED_MS = 2000;
const SAME_MS = 60_000;

const TELL = `INSERT INTO resource_states AS s
    (tenant_id, resource, fingerprint, ok_at, failed_at, failing_since, last_error, seen_at)
  SELECT r.tenant_id, r.resource, r.fingerprint, now() - r.ok_ago * interval '1 ms', now() - r.failed_ago * interval '1 ms',
         now() - r.failing_for * interval '1 ms', r.last_error, now() - least(r.ok_ago, r.failed_ago) * interval '1 ms'
    FROM jsonb_to_recordset($1::jsonb) AS r (tenant_id uuid, resource text, fingerprint text, ok_ago float8,
      failed_ago float8, failing_for float8, last_error text)
    JOIN tenants t ON t.id = r.tenant_id WHERE t.status <> 'deleted' ORDER BY 1, 2 FOR SHARE OF t
  ON CONFLICT (tenant_id, resource) DO UPDATE SET
    fingerprint = excluded.fingerprint, last_error = excluded.last_error, seen_at = excluded.seen_at,
    ok_at = CASE WHEN s.fingerprint = excluded.fingerprint THEN greatest(s.ok_at, excluded.ok_at) ELSE excluded.ok_at END,
    failed_at = CASE WHEN s.fingerprint = excluded.fingerprint THEN greatest(s.failed_at, excluded.failed_at)
      ELSE excluded.failed_at END,
    failing_since = CASE WHEN s.fingerprint = excluded.fingerprint AND excluded.failing_since IS NOT NULL
      THEN least(s.failing_since, excluded.failing_since) ELSE excluded.failing_since END
  WHERE s.seen_at <= excluded.seen_at`;
const READ = `SELECT resource, fingerprint, ok_at AS "okAt", failed_at AS "failedAt", failing_since AS "failingSince",
    last_error AS "lastError" FROM resource_states WHERE tenant_id = $1`;
const FORGET = 'DELETE FROM resource_states WHERE tenant_id = $1';

/** How a resource of a tenant did, in whichever process used it. */
export interface ResourceOutcome {
  resource: string;
  /** Of the settings that it was made of. */
  fingerprint: string;
  okAt: Date | null;
  failedAt: Date | null;
  /** Null where the last use went well. */
  failingSince: Date | null;
  lastError: string | null;
}

/** What this process saw. Times are of its monotonic clock, in ms: only how long ago they are is told. */
interface Seen {
  tenantId: string;
  resource: string;
  fingerprint: string;
  okAt?: number;
  failedAt?: number;
  failingSince?: number | undefined;
  error?: string | undefined;
  /** Whether a use went otherwise than what was told last. */
  isNews: boolean;
  told?: { at: number; seenAt: number; error: string | undefined };
}

/**
 * How things of tenants did, told by whichever process uses them to all that are asked: a row for each tenant and resource
 * on the control plane. A use only notes it in memory; what is another outcome than before is written within seconds, the
 * same again once a minute.
 */
@Injectable()
export class ResourceStates implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Resources');
  private readonly seen = new Map<string, Seen>();
  /** One at a time, so that who reads sees what was noted before. */
  private writing: Promise<void> = Promise.resolve();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: async () => {
      await this.tell((seen, now) => now >= (seen.told?.at ?? -Infinity) + (seen.isNews ? CHANGED_MS : SAME_MS));
      this.prune();
      return false;
    },
    failed: (error) =>
      this.logger.warn({ err: error }, 'How resources are cannot be told to other processes; trying again'),
  });

  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.tell(() => true).catch(() => undefined);
  }

  /** @param error what an admin may read of the failure of a use; undefined: it went well */
  note(tenantId: string, resource: string, fingerprint: string, error: string | undefined): void {
    const now = performance.now();
    const key = `${tenantId} ${resource}`;
    let seen = this.seen.get(key);
    if (seen?.fingerprint !== fingerprint) {
      seen = { tenantId, resource, fingerprint, isNews: true };
      this.seen.set(key, seen);
    }
    if (error === undefined) seen.okAt = now;
    else seen.failedAt = now;
    seen.failingSince = error === undefined ? undefined : (seen.failingSince ?? now);
    seen.error = error;
    if (seen.told?.error !== error) seen.isNews = true;
  }

  /** Of every resource of a tenant that was used, with what this process has seen up to now. */
  async of(tenantId: string): Promise<ResourceOutcome[]> {
    await this.tell((seen) => seen.tenantId === tenantId);
    return this.platform.query<ResourceOutcome[]>(READ, [tenantId]);
  }

  /** @returns how many rows went */
  async erase(manager: EntityManager, tenantId: string): Promise<number> {
    const [, count] = await manager.query<[unknown, number]>(FORGET, [tenantId]);
    return count;
  }

  /** Writes what is not told yet. */
  private async tell(due: (seen: Seen, now: number) => boolean): Promise<void> {
    const told = this.writing.then(() => this.write(due));
    this.writing = told.catch(() => undefined);
    await told;
  }

  private async write(due: (seen: Seen, now: number) => boolean): Promise<void> {
    const now = performance.now();
    const fresh = [...this.seen.values()].filter(
      (seen) => seenAt(seen) > (seen.told?.seenAt ?? -Infinity) && due(seen, now),
    );
    if (fresh.length === 0) return;
    const before = fresh.map(({ told, isNews }) => ({ told, isNews }));
    const rows = JSON.stringify(fresh.map((seen) => rowOf(seen, now)));
    // First, so that what is seen meanwhile is news.
    for (const seen of fresh) {
      seen.told = { at: now, seenAt: seenAt(seen), error: seen.error };
      seen.isNews = false;
    }
    try {
      await this.platform.query(TELL, [rows]);
    } catch (error) {
      fresh.forEach((seen, index) => Object.assign(seen, before[index], { isNews: true }));
      throw error;
    }
  }

  /** What was told is of no more use once it would be told again anyway. */
  private prune(): void {
    const long = performance.now() - SAME_MS;
    for (const [key, seen] of this.seen) {
      if (seen.told && seen.told.at < long && seenAt(seen) <= seen.told.seenAt) this.seen.delete(key);
    }
  }
}

function seenAt({ okAt = -Infinity, failedAt = -Infinity }: Seen): number {
  return Math.max(okAt, failedAt);
}

function rowOf({ tenantId, resource, fingerprint, okAt, failedAt, failingSince, error }: Seen, now: number): object {
  const ago = (at: number | undefined): number | null => (at === undefined ? null : now - at);
  return {
    tenant_id: tenantId,
    resource,
    fingerprint,
    ok_ago: ago(okAt),
    failed_ago: ago(failedAt),
    failing_for: ago(failingSince),
    last_error: error ?? null,
  };
}
