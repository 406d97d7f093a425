import { Injectable } from '@nestjs/common';
import { type DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { announce, CHANNEL } from '../tenant.channel.js';
import { DOMAINS_CHANNEL } from './domain.channel.js';
import { DomainTaken } from './domain.errors.js';
import { domainOf, type DomainRow, type TenantDomain } from './tenant-domain.js';

/** The claims of one tenant to domains, in the control plane. */
@Injectable()
export class DomainStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly changes: ChangeFeed,
  ) {}

  /** Oldest first. */
  async list(tenantId: string): Promise<TenantDomain[]> {
    const rows = await this.platform.query<DomainRow[]>(
      'SELECT * FROM tenant_domains WHERE tenant_id = $1 ORDER BY id',
      [tenantId],
    );
    return rows.map(domainOf);
  }

  async find(tenantId: string, id: string): Promise<TenantDomain | undefined> {
    const [row] = await this.platform.query<DomainRow[]>(
      'SELECT * FROM tenant_domains WHERE tenant_id = $1 AND id = $2',
      [tenantId, id],
    );
    return row && domainOf(row);
  }

  /**
   * A transaction in which nobody else changes the tenant's domains. What `fn` says has changed is made known to all
   * processes at the commit, to this one before the caller goes on.
   */
  async change<T>(
    tenantId: string,
    fn: (manager: EntityManager, changed: (domain: string) => void) => Promise<T>,
  ): Promise<T> {
    const domains = new Set<string>();
    const [result, slug] = await this.platform.transaction(async (manager) => {
      const [tenant] = await manager.query<{ slug: string }[]>(
        'SELECT slug FROM tenants WHERE id = $1 FOR NO KEY UPDATE',
        [tenantId],
      );
      const outcome = await fn(manager, (domain) => void domains.add(domain));
      if (domains.size > 0) await this.notify(manager, [...domains], tenant ? [tenant.slug] : []);
      return [outcome, tenant?.slug] as const;
    });
    if (domains.size > 0) this.emit([...domains], slug === undefined ? [] : [slug]);
    return result;
  }

  /** In the transaction of the change. */
  async notify(manager: EntityManager, domains: string[], slugs: string[]): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [DOMAINS_CHANNEL, named(domains)]);
    await announce(manager, slugs);
  }

  /** After its commit. */
  emit(domains: string[], slugs: string[]): void {
    this.changes.emit(DOMAINS_CHANNEL, domains);
    this.changes.emit(CHANNEL, slugs);
  }

  async counts(manager: EntityManager, tenantId: string): Promise<{ all: number; unproven: number }> {
    const [row] = await manager.query<{ all: number; unproven: number }[]>(
      `SELECT count(*)::int AS all, (count(*) FILTER (WHERE status <> 'verified'))::int AS unproven
         FROM tenant_domains WHERE tenant_id = $1`,
      [tenantId],
    );
    return row ?? { all: 0, unproven: 0 };
  }

  /** @returns undefined when the tenant has it already */
  async insert(
    manager: EntityManager,
    { id, tenantId, domain, token }: Pick<TenantDomain, 'id' | 'tenantId' | 'domain' | 'token'>,
  ): Promise<TenantDomain | undefined> {
    const [row] = await manager.query<DomainRow[]>(
      `WITH made AS (INSERT INTO tenant_domains (id, tenant_id, domain, token, next_check_at)
         VALUES ($1, $2, $3, $4, now() + interval '55 minutes') ON CONFLICT (tenant_id, domain) DO NOTHING RETURNING *)
       SELECT * FROM made`,
      [id, tenantId, domain, token],
    );
    return row && domainOf(row);
  }

  /** Takes the turn to ask the DNS. @returns false when somebody else did less than so many ms ago */
  async mayLook(id: string, everyMs: number): Promise<boolean> {
    const rows = await this.platform.query<unknown[]>(
      `WITH turn AS (UPDATE tenant_domains SET checked_at = now()
         WHERE id = $1 AND (checked_at IS NULL OR checked_at < now() - $2 * interval '1 millisecond') RETURNING id)
       SELECT id FROM turn`,
      [id, everyMs],
    );
    return rows.length > 0;
  }

  /** What a look by hand found; an expired claim is looked for by itself again. The clock of a verified one is not its. */
  async found(id: string, finding: string): Promise<void> {
    await this.platform.query(
      `UPDATE tenant_domains
          SET finding = $2, pending_since = CASE WHEN status = 'expired' THEN now() ELSE pending_since END,
              next_check_at = CASE WHEN status = 'expired' THEN now() + interval '55 minutes' ELSE next_check_at END,
              status = CASE WHEN status = 'expired' THEN 'pending' ELSE status END
        WHERE id = $1`,
      [id, finding],
    );
  }

  /**
   * Of several tenants that prove a domain at once, one gets this far.
   *
   * @returns undefined when the claim is gone
   * @throws DomainTaken
   */
  async prove(manager: EntityManager, { id, token }: TenantDomain): Promise<TenantDomain | undefined> {
    try {
      // A day until the next look, spread so that many do not fall due together.
      const [row] = await manager.query<DomainRow[]>(
        `WITH proven AS (
           UPDATE tenant_domains
              SET status = 'verified', verified_at = CASE WHEN status = 'verified' THEN verified_at ELSE now() END,
                  checked_at = now(), failing_since = NULL, finding = NULL, notice = NULL, notice_at = NULL,
                  next_check_at = now() + interval '23 hours' + random() * interval '1 hour'
            WHERE id = $1 AND token = $2 RETURNING *)
         SELECT * FROM proven`,
        [id, token],
      );
      return row && domainOf(row);
    } catch (error) {
      throw isTaken(error) ? new DomainTaken() : error;
    }
  }

  /** @returns undefined when the claim is gone or not verified any more */
  async setPrimary(manager: EntityManager, tenantId: string, id: string, primary: boolean): Promise<boolean> {
    if (primary) {
      await manager.query('UPDATE tenant_domains SET is_primary = false WHERE tenant_id = $1 AND is_primary', [
        tenantId,
      ]);
    }
    const rows = await manager.query<unknown[]>(
      `WITH changed AS (UPDATE tenant_domains SET is_primary = $3
         WHERE tenant_id = $1 AND id = $2 AND (status = 'verified' OR NOT $3) RETURNING id)
       SELECT id FROM changed`,
      [tenantId, id, primary],
    );
    return rows.length > 0;
  }

  async remove(manager: EntityManager, id: string): Promise<void> {
    await manager.query('DELETE FROM tenant_domains WHERE id = $1', [id]);
  }
}

/** Whether the database refused it because another tenant has proven the domain. */
export function isTaken(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  const { code, constraint } = error.driverError as { code?: string; constraint?: string };
  return code === '23505' && constraint === 'tenant_domains_proven';
}

/** A payload holds at most 8,000 bytes; past that it says "any". */
function named(keys: string[]): string {
  const text = keys.join(',');
  return text.length > 7900 ? '' : text;
}
