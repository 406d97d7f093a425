import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { SlugTaken } from './tenant.errors.js';

/** Whoever takes a slug or holds it waits here for whoever is doing either. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('tenantry:slug:' || $1, 0))`;
/**
 * Whoever takes a slug without that lock, as an import does for thousands, has a row of it here: an insert waits for them,
 * and they for it. The row goes again at once, since what is held is nobody's yet.
 */
const PROBE = 'INSERT INTO slugs (slug, tenant_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING slug';
const UNPROBE = 'DELETE FROM slugs WHERE slug = $1 AND tenant_id = $2';
const HOLD = `INSERT INTO slug_holds (slug, holder, expires_at)
  SELECT $1, $2, now() + $3 * interval '1 millisecond' WHERE NOT EXISTS (SELECT 1 FROM slugs WHERE slug = $1)
  ON CONFLICT (slug) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE slug_holds.expires_at <= now()
  RETURNING expires_at`;
const CLAIM = `DELETE FROM slug_holds WHERE slug = $1 AND (holder = $2 OR expires_at <= now())`;
const HELD = 'SELECT 1 FROM slug_holds WHERE slug = $1';
const FREE = `SELECT c.slug FROM unnest($1::text[]) WITH ORDINALITY AS c (slug, position)
   WHERE NOT EXISTS (SELECT 1 FROM slugs s WHERE s.slug = c.slug)
     AND NOT EXISTS (SELECT 1 FROM slug_holds h WHERE h.slug = c.slug AND h.expires_at > now())
   ORDER BY c.position LIMIT $2`;

/** Slugs kept for somebody for a while. What was only held was never a tenant's, and may be held again. */
@Injectable()
export class SlugHolds {
  constructor(@InjectPlatformDataSource() private readonly platform: DataSource) {}

  /**
   * Holds a slug until the time returned, from the start of the caller's transaction.
   *
   * @param holder whom it is held for
   * @throws SlugTaken by a tenant, now or ever, or held for somebody
   */
  async hold(manager: EntityManager, slug: string, holder: string, ms: number): Promise<Date> {
    await this.lock(manager, slug);
    if ((await manager.query<unknown[]>(PROBE, [slug, holder])).length === 0) throw new SlugTaken(slug);
    await manager.query(UNPROBE, [slug, holder]);
    const [held] = await manager.query<{ expires_at: Date }[]>(HOLD, [slug, holder, ms]);
    if (!held) throw new SlugTaken(slug);
    return held.expires_at;
  }

  /**
   * Ends the hold of a slug that the caller's transaction goes on to take. Nobody holds it before that transaction ends.
   *
   * @param holder whom the caller acts for; undefined for nobody who could hold one
   * @throws SlugTaken when it is held for somebody else
   */
  async claim(manager: EntityManager, slug: string, holder?: string): Promise<void> {
    await this.lock(manager, slug);
    await manager.query(CLAIM, [slug, holder ?? null]);
    if ((await manager.query<unknown[]>(HELD, [slug])).length > 0) throw new SlugTaken(slug);
  }

  /** First of all in the caller's transaction, so that two who lock several things do so in one order. */
  async lock(manager: EntityManager, slug: string): Promise<void> {
    await manager.query(LOCK, [slug]);
  }

  /** Those of the slugs that could be held now, in the order given, `most` at most. */
  async freeOf(slugs: string[], most: number): Promise<string[]> {
    const rows = await this.platform.query<{ slug: string }[]>(FREE, [slugs, most]);
    return rows.map(({ slug }) => slug);
  }
}
