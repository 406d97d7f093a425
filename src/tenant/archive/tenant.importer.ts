import { createReadStream } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import {
  InjectPlatformDataSource,
  type Isolation,
  type Placement,
  schemaOf,
  serverOf,
  TenantDirectory,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { TenantLifecycle } from '../lifecycle/tenant.lifecycle.js';
import { Placements } from '../places/placements.js';
import { type Lease, ProvisioningFence } from '../provisioning/provisioning.fence.js';
import { presentSettings, withoutSecrets } from '../../settings/index.js';
import { checkSettings } from '../settings/settings.rules.js';
import { SlugHolds } from '../slug.holds.js';
import { checkSlug } from '../slug.rules.js';
import { TenantChanges } from '../tenant.changes.js';
import { SlugTaken } from '../tenant.errors.js';
import type { TenantRecord } from '../tenant.record.js';
import { TenantStore } from '../tenant.store.js';
import { ArchiveInvalid, TenantPresent } from './archive.errors.js';
import { type ArchiveEnd, readArchive } from './archive.format.js';
import type { Sealer } from './archive.frame.js';
import type { Manifest } from './archive.manifest.js';
import type { Takeover } from './archive.rows.js';
import { ArchiveRules } from './archive.rules.js';
import { checkArchiveVersion } from './archive.version.js';
import { CopyIds } from '../copies/copy.ids.js';
import { loadFiles } from './file.loader.js';
import { ImportLease } from './import.lease.js';
import { type RowCounts, RowLoader } from './row.loader.js';

export interface ArchiveImport {
  /** Of the archive, a file: it is read twice, first to know that it is whole. */
  file: string;
  sealer?: Sealer | undefined;
  /** The same tenant, under its own id; else a new one. */
  same?: boolean;
  /** That of the archive unless given; a new tenant needs one. */
  slug?: string | undefined;
  name?: string | undefined;
  isolation?: Isolation | undefined;
  server?: string | undefined;
  region?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: (done: number, total: number) => void;
}

export interface ImportedTenant {
  tenant: TenantRecord;
  manifest: Manifest;
  rows: RowCounts;
}

/** Makes a tenant of an archive, all of it or nothing. */
@Injectable()
export class TenantImporter {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly rules: ArchiveRules,
    private readonly holds: SlugHolds,
    private readonly placements: Placements,
    private readonly store: TenantStore,
    private readonly tenants: TenantDirectory,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly fence: ProvisioningFence,
    private readonly leases: ImportLease,
    private readonly lifecycle: TenantLifecycle,
    private readonly changes: TenantChanges,
  ) {}

  /** @throws ArchiveInvalid, ArchiveSealed, ArchiveVersionRefused, TenantPresent, SlugTaken, ValidationFailed */
  async run(wanted: ArchiveImport): Promise<ImportedTenant> {
    const { manifest, end } = await this.verify(wanted);
    const lease = await this.register(manifest, wanted);
    try {
      return await this.leases.during(lease, async () => {
        const rows = await this.fill(lease, manifest, end, wanted);
        const tenant = await this.platform.transaction(async (manager) => {
          await this.lifecycle.lock(manager, lease.tenantId);
          await this.leases.end(manager, lease);
          return this.lifecycle.applyWithin(manager, lease.tenantId, 'activate', {
            details: { archive_of: manifest.tenant.id, made_at: manifest.made_at, rows: end.rows },
          });
        });
        return { tenant, manifest, rows };
      });
    } catch (error) {
      // Whether it failed is not known here: the answer to what put it into service may have been lost. What is still
      // written down as to be undone, the Provisioner takes back; where this is not heard, once the lease is over.
      await this.leases.giveUp(lease).catch(() => undefined);
      throw error;
    }
  }

  /** Reads the archive to its end before anything is made of it. */
  private async verify({ file, sealer, signal }: ArchiveImport): Promise<{ manifest: Manifest; end: ArchiveEnd }> {
    let manifest: Manifest | undefined;
    for await (const part of readArchive(createReadStream(file, { signal }), sealer)) {
      if (part.kind === 'manifest') {
        manifest = part.manifest;
        checkArchiveVersion(this.database.migrations, manifest);
      }
      if (part.kind === 'end') return { manifest: manifest!, end: part.end };
    }
    throw new ArchiveInvalid('it is cut short');
  }

  private register(manifest: Manifest, wanted: ArchiveImport): Promise<Lease> {
    const { tenant } = manifest;
    const slug = wanted.slug ?? tenant.slug;
    checkSlug(slug);
    checkSettings(withoutSecrets(presentSettings(tenant.settings)));
    return this.platform.transaction(async (manager) => {
      await this.holds.claim(manager, slug);
      const id = wanted.same ? tenant.id : newId();
      if (wanted.same) await this.demandAbsent(manager, id);
      const [taken] = await manager.query<unknown[]>(
        'INSERT INTO slugs (slug, tenant_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING slug',
        [slug, id],
      );
      if (!taken) throw new SlugTaken(slug);
      const placement = await this.placements.allocate(manager, id, { plan: tenant.plan, ...placeOf(wanted) });
      await this.insert(manager, id, slug, manifest, wanted, placement);
      const lease = await this.leases.begin(manager, id);
      const made = await this.store.lock(manager, id);
      await this.changes.record(manager, made, {
        event: 'tenant.created',
        after: { slug, name: made.name, plan: made.plan, isolation: placement.kind, server: serverOf(placement) },
        details: { archive_of: tenant.id, same: wanted.same === true },
      });
      return lease;
    });
  }

  /** A tenant that was purged is present, too: whoever asked for that is not to find it again. */
  private async demandAbsent(manager: EntityManager, id: string): Promise<void> {
    const known = await manager.query<unknown[]>(
      'SELECT 1 FROM tenants WHERE id = $1 UNION ALL SELECT 1 FROM slugs WHERE tenant_id = $1',
      [id],
    );
    if (known.length > 0) throw new TenantPresent(id);
  }

  private async insert(
    manager: EntityManager,
    id: string,
    slug: string,
    { tenant }: Manifest,
    { name, same }: ArchiveImport,
    placement: Placement,
  ): Promise<void> {
    await manager.query(
      `INSERT INTO tenants (id, slug, name, plan, kind, status, settings, extra, expires_at, placement, created_at)
       VALUES ($1, $2, $3, $4, $5, 'provisioning', $6, $7, $8, $9, coalesce($10::timestamptz, now()))`,
      [
        id,
        slug,
        name ?? tenant.name,
        tenant.plan,
        tenant.kind,
        JSON.stringify(withoutSecrets(presentSettings(tenant.settings))),
        JSON.stringify(tenant.extra),
        tenant.expires_at,
        JSON.stringify(placement),
        same ? tenant.created_at : null,
      ],
    );
  }

  private async fill(
    lease: Lease,
    manifest: Manifest,
    end: ArchiveEnd,
    { file, sealer, signal, onProgress }: ArchiveImport,
  ): Promise<RowCounts> {
    const { tenantId } = lease;
    await this.fence.during(lease, async () => {
      await this.placements.build(tenantId);
      await this.placements.migrate(tenantId);
    });
    const tenant = (await this.tenants.findById(tenantId))!;
    const takeover = {
      fromId: manifest.tenant.id,
      toId: tenantId,
      credentials: manifest.tenant.id === tenantId && manifest.keys === this.database.keys.fingerprint(),
    };
    const loader = new RowLoader(this.transaction, this.rules, takeover, schemaOf(tenant.placement));
    return this.runner.run(tenant, async () => {
      await this.transaction.run(async () => {
        await this.fence.enter(lease);
        await loader.begin();
        for await (const part of readArchive(createReadStream(file, { signal }), sealer)) {
          if (part.kind === 'table') await loader.table(part.table, part.columns);
          if (part.kind === 'rows') await loader.rows(part.rows);
          onProgress?.(Math.min(loader.counts.taken + loader.counts.left, end.rows), end.rows);
        }
      });
      if (end.files) await this.bringFiles(file, takeover, { sealer, signal });
      for (const act of this.rules.imported) await act(tenant);
      return loader.counts;
    });
  }

  /** After the rows, which say what the files have to be; nobody is served yet. */
  private async bringFiles(
    file: string,
    { fromId, toId }: Takeover,
    { sealer, signal }: Pick<ArchiveImport, 'sealer' | 'signal'>,
  ): Promise<void> {
    const ids = new CopyIds(toId);
    const idOf = (id: string): string => (fromId === toId ? id : ids.of(id));
    await loadFiles(readArchive(createReadStream(file, { signal }), sealer), this.rules, { idOf });
  }
}

function placeOf({ isolation, server, region }: ArchiveImport) {
  return { ...(isolation && { isolation }), ...(server && { server }), ...(region && { region }) };
}
