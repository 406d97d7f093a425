import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource, SLUG } from '../tenancy/index.js';
import { TenantErasure, type TenantKind } from '../tenant/index.js';

/** `resetting` is a suspended tenant that is being brought back to its start. */
export type SandboxStatus = 'provisioning' | 'active' | 'failed' | 'suspended' | 'resetting';

/** A copy as its holder sees it. */
export interface Sandbox {
  id: string;
  slug: string;
  name: string;
  kind: TenantKind;
  plan: string;
  status: SandboxStatus;
  source_id: string;
  /** Slug of what it was copied from. */
  source: string;
  with_data: boolean;
  expires_at: Date | null;
  created_at: Date;
}

const LIVING = `('provisioning', 'active', 'failed', 'suspended')`;
/** What an admin has made a tenant of its own is nobody's copy any more. */
const COPIES = `('sandbox', 'training')`;
const SELECT = `SELECT t.id, t.slug, t.name, t.kind, t.plan, t.source_tenant_id AS source_id, s.slug AS source, t.with_data,
         t.expires_at, t.created_at,
         CASE WHEN t.status = 'suspended' AND p.state = 'running' THEN 'resetting' ELSE t.status END AS status
    FROM tenants t JOIN tenants s ON s.id = t.source_tenant_id LEFT JOIN provisionings p ON p.tenant_id = t.id
   WHERE t.holder_tenant_id = $1 AND t.kind IN ${COPIES} AND t.status IN ${LIVING}`;

const LIST = `${SELECT} ORDER BY t.id DESC`;
const FIND = `${SELECT} AND t.slug = $2`;
const COUNT = `SELECT count(*) FILTER (WHERE status IN ${LIVING})::int AS living,
         count(*) FILTER (WHERE created_at > now() - interval '1 day')::int AS today
    FROM tenants WHERE holder_tenant_id = $1 AND kind IN ${COPIES}`;

const EXPIRE = `UPDATE tenants SET expires_at = now(), updated_at = now()
  WHERE holder_tenant_id = $1 AND kind IN ${COPIES} AND status IN ${LIVING}
    AND (expires_at > now() OR expires_at IS NULL)`;

type Queries = Pick<EntityManager, 'query'>;

/** Copies that a tenant holds. Those that are archived are gone for it. */
@Injectable()
export class SandboxStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    erasure: TenantErasure,
  ) {
    // What a tenant held of itself elsewhere goes with it: the rules for what has expired see to the rest.
    erasure.register(async (manager, tenantId) => {
      await manager.query(EXPIRE, [tenantId]);
    });
  }

  /** There are few, so all of them; newest first. */
  list(holderId: string): Promise<Sandbox[]> {
    return this.platform.query<Sandbox[]>(LIST, [holderId]);
  }

  async find(holderId: string, slug: string, queries: Queries = this.platform): Promise<Sandbox | undefined> {
    if (!SLUG.test(slug)) return undefined;
    const [found] = await queries.query<Sandbox[]>(FIND, [holderId, slug]);
    return found;
  }

  /** How many live, and how many were made within a day, whatever became of them. */
  async counts(manager: EntityManager, holderId: string): Promise<{ living: number; today: number }> {
    const [counted] = await manager.query<{ living: number; today: number }[]>(COUNT, [holderId]);
    return counted ?? { living: 0, today: 0 };
  }

  /** Those of these slugs that nobody has, in the same order. */
  async free(manager: EntityManager, slugs: string[]): Promise<string[]> {
    const rows = await manager.query<{ slug: string }[]>(
      `SELECT wanted.slug FROM unnest($1::text[]) WITH ORDINALITY AS wanted (slug, place)
        WHERE NOT EXISTS (SELECT 1 FROM slugs s WHERE s.slug = wanted.slug) ORDER BY wanted.place`,
      [slugs],
    );
    return rows.map(({ slug }) => slug);
  }
}
