import { createHash, hkdfSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { PlatformAudit } from '../../audit/index.js';
import { AppError, isUuid, LOWEST_ID, type Page } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { PlatformCursors } from '../../tenancy/index.js';
import { type ArchivePart, readArchive } from '../archive/archive.format.js';
import type { Sealer } from '../archive/archive.frame.js';
import { TenantExporter } from '../archive/tenant.exporter.js';
import { TenantErasure } from '../lifecycle/tenant.erasure.js';
import { TenantStore } from '../tenant.store.js';
import type { Backup, HeldBackup } from './backup.js';
import { BackupDamaged, BackupLost, BackupsOff, UnknownBackup } from './backup.errors.js';
import { BackupStorage } from './backup.storage.js';
import { BackupStore, HOLD_MS } from './backup.store.js';

const PAGE = 500;
/** What cursors are sealed with. */
const LIST = 'backups';

export interface BackupOptions {
  signal?: AbortSignal | undefined;
  /** When `signal` ends it, it is left for another process to begin anew. */
  resumable?: boolean;
  onProgress?: (done: number, total: number) => void;
}

/** Backups of tenants: one archive each, as of one moment, under a key that MASTER_KEY alone gives. */
@Injectable()
export class TenantBackups implements OnModuleInit {
  private readonly logger = new Logger('Backups');
  private readonly sealer: Sealer;

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly store: BackupStore,
    private readonly storage: BackupStorage,
    private readonly exporter: TenantExporter,
    private readonly tenants: TenantStore,
    private readonly erasure: TenantErasure,
    private readonly audit: PlatformAudit,
    private readonly cursors: PlatformCursors,
  ) {
    const key = database.keys.derive('backups');
    this.sealer = { derive: (salt) => Buffer.from(hkdfSync('sha256', key, salt, 'tenantry backup', 32)) };
  }

  onModuleInit(): void {
    this.erasure.register(async (manager, tenantId) => {
      // What is emptied and stays, as a sandbox that is reset, keeps them; and so does one whose folder nobody can reach.
      if (!this.storage.available || (await this.store.lives(manager, tenantId))) return 0;
      // First the rows, so that what is being written for one of them is not kept.
      const known = await this.store.forgetAll(manager, tenantId);
      await this.storage.removeAll(tenantId);
      return known;
    });
  }

  /** @throws BackupsOff */
  demandStorage(): void {
    if (!this.storage.available) throw new BackupsOff();
  }

  /** Has one made. Of two at once for the same tenant there is one. @throws UnknownTenant, BackupsOff */
  async begin(name: string, scheduled = false): Promise<Backup> {
    this.demandStorage();
    const { id } = await this.tenants.find(name);
    return (await this.store.begin(id, scheduled)).backup;
  }

  /**
   * Makes what was begun.
   *
   * @returns undefined when another process is at it
   * @throws UnknownBackup, BackupLost, and what the export throws, which is noted
   */
  async make(id: string, options: BackupOptions = {}): Promise<Backup | undefined> {
    const held = await this.store.claim(id);
    if (held) return this.whileHeld(held, (signal) => this.write(held, { ...options, signal }), options.signal);
    const known = await this.store.find(id);
    if (!known) throw new UnknownBackup();
    return known.state === 'running' ? undefined : known;
  }

  private async write(held: HeldBackup, options: BackupOptions): Promise<Backup> {
    const { id, tenantId } = held;
    try {
      const written = await this.storage.write(tenantId, id, (out) =>
        this.exporter.write(tenantId, out, { sealer: this.sealer, ...options }),
      );
      try {
        const { bytes, sha256, made } = written;
        const { migration, made_at: madeAt } = made.manifest;
        const end = { state: 'done', migration, rows: made.end.rows, bytes, sha256, madeAt } as const;
        const done = await this.store.finish(held, end, () => written.keep());
        const details = { backup: id, rows: made.end.rows, bytes };
        const target = { kind: 'tenant', id: tenantId };
        await this.audit.record(undefined, { event: 'tenant.backed_up', tenantId, target, details });
        return done;
      } finally {
        await written.discard();
      }
    } catch (error) {
      if (error instanceof BackupLost) throw error;
      if (options.resumable && options.signal?.aborted) await this.store.release(held);
      else await this.store.finish(held, { state: 'failed', error: codeOf(error) });
      throw error;
    }
  }

  /** Ended by the loss of the hold as by whoever asked. */
  private async whileHeld<T>(
    held: HeldBackup,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const lost = new AbortController();
    const renewal = setInterval(() => {
      this.store.renew(held).then(
        (still) => still || lost.abort(new BackupLost()),
        (error: unknown) => this.logger.warn({ err: error }, 'The hold on a backup could not be renewed'),
      );
    }, HOLD_MS / 4);
    try {
      return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
    } finally {
      clearInterval(renewal);
    }
  }

  /** All that can be backed up. */
  async everybody(): Promise<string[]> {
    const ids: string[] = [];
    for (let after = LOWEST_ID; ;) {
      const page = await this.store.tenantsAfter(after, PAGE);
      if (page.length === 0) return ids;
      ids.push(...page);
      after = page.at(-1)!;
    }
  }

  /** Newest first. @param name undefined: of all tenants @throws UnknownTenant, CursorInvalid */
  async list(name: string | undefined, limit: number, cursor?: string): Promise<Page<Backup>> {
    const tenantId = name === undefined ? undefined : (await this.tenants.find(name)).id;
    const rows = await this.store.list(tenantId, limit + 1, this.cursors.open(LIST, cursor, tenantId));
    return this.cursors.page(LIST, rows, limit, (backup) => backup.id, tenantId);
  }

  /** @throws UnknownBackup for one that is not made */
  async find(id: string): Promise<Backup> {
    const found = isUuid(id) ? await this.store.find(id) : undefined;
    if (found?.state !== 'done') throw new UnknownBackup();
    return found;
  }

  /**
   * Gives what is in one to `work`, for as long as that takes. Its sums are checked on the way.
   *
   * @throws UnknownBackup, BackupDamaged
   */
  async read<T>(id: string, work: (parts: AsyncGenerator<ArchivePart>) => Promise<T>): Promise<T> {
    const { tenantId } = await this.find(id);
    return this.storage.local(tenantId, id, (file) => work(readArchive(createReadStream(file), this.sealer)));
  }

  /**
   * Reads it from its first byte to its last, opens it, and compares the sums of every table.
   *
   * @throws UnknownBackup, BackupDamaged
   */
  async verify(id: string): Promise<Backup> {
    const backup = await this.find(id);
    await this.storage.local(backup.tenantId, id, async (file) => {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
      if (hash.digest('hex') !== backup.sha256)
        throw new BackupDamaged(id, 'its bytes are not those that were written');
      try {
        for await (const part of readArchive(createReadStream(file), this.sealer)) {
          if (part.kind === 'manifest' && part.manifest.tenant.id !== backup.tenantId) {
            throw new BackupDamaged(id, 'it is of another tenant');
          }
          if (part.kind === 'end' && part.end.rows !== backup.rows) throw new BackupDamaged(id, 'rows are missing');
        }
      } catch (error) {
        throw error instanceof BackupDamaged ? error : new BackupDamaged(id, codeOf(error), error);
      }
    });
    return backup;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof AppError) return error.code;
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
