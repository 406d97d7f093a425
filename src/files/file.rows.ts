import { Injectable } from '@nestjs/common';
import { In, LessThan } from 'typeorm';
import { newId } from '../common/index.js';
import { TenantSettings } from '../settings/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import { FileCountExceeded, FileQuotaExceeded } from './file.errors.js';
import { FILE_MAX_COUNT, FILE_QUOTA_BYTES } from './file.settings.js';
import { UNKNOWN_TYPE } from './file.type.js';
import { TenantFile } from './tenant-file.entity.js';

/** A process that writes a file and says nothing for so long is taken for dead, in ms. */
export const DEAD_AFTER_MS = 60 * 60 * 1000;

/** Ends with the transaction. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('tenantry:files:' || $1, 0))`;

export interface FileUsage {
  /** Stored and on their way. */
  files: number;
  bytes: number;
}

/** Whose files are meant: of everybody when it is undefined. */
export type FileOwner = string | undefined;

/** The rows of files. Those that are not stored are seen by nobody but those who settle them. */
@Injectable()
export class FileRows {
  constructor(
    @InjectTenantRepository(TenantFile) private readonly files: TenantRepository<TenantFile>,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
  ) {}

  /**
   * Makes a pending file, and room for it. Uploads of a tenant wait for one another here, so that together they stay
   * within the quota and the number of files.
   *
   * @param declared bytes, if they are known @param max bytes
   * @throws FileQuotaExceeded, FileCountExceeded
   */
  reserve(name: string, declared: number | undefined, max: number): Promise<TenantFile> {
    const { id: tenantId } = this.context.currentOrThrow('A file');
    const quota = this.settings.get(FILE_QUOTA_BYTES);
    const { kind = 'system', id: actorId } = this.context.actor() ?? {};
    return this.transaction.run(async () => {
      await this.transaction.query(LOCK, [tenantId]);
      const { bytes: used, files } = await this.usage();
      const most = this.settings.get(FILE_MAX_COUNT);
      if (files >= most) throw new FileCountExceeded(most);
      const left = quota - used;
      if (left < Math.max(declared ?? 1, 1)) throw new FileQuotaExceeded(quota, used);
      const now = new Date();
      const [file] = await this.files.insert({
        id: newId(),
        state: 'pending',
        name,
        mediaType: UNKNOWN_TYPE,
        // What is not known is reserved whole; what is left over is free again at the end.
        bytes: declared ?? Math.min(max, left),
        sha256: '',
        uploadedBy: kind === 'user' || kind === 'api-key' ? (actorId ?? null) : null,
        uploaderKind: kind,
        createdAt: now,
        touchedAt: now,
      });
      return file!;
    });
  }

  /** Says that the process that writes it is alive. */
  async touch(id: string): Promise<void> {
    await this.files.update({ id, state: 'pending' }, { touchedAt: new Date() });
  }

  /** @returns false when it was given up meanwhile */
  async settle(id: string, known: Pick<TenantFile, 'bytes' | 'sha256' | 'mediaType'>): Promise<boolean> {
    return (await this.files.update({ id, state: 'pending' }, { ...known, state: 'stored' })) > 0;
  }

  /** From now on nobody sees it. @returns false when it is not in that state (any more) */
  async condemn(id: string, state: 'pending' | 'stored', owner?: FileOwner): Promise<boolean> {
    const where = { id, state, ...(owner !== undefined && { uploadedBy: owner }) };
    return (await this.files.update(where, { state: 'deleting', touchedAt: new Date() })) > 0;
  }

  /** Of a process that has not been heard of for too long. @returns false for any other */
  async condemnDead(id: string): Promise<boolean> {
    const where = { id, state: 'pending' as const, touchedAt: LessThan(new Date(Date.now() - DEAD_AFTER_MS)) };
    return (await this.files.update(where, { state: 'deleting', touchedAt: new Date() })) > 0;
  }

  /** @returns how many are to go now */
  async condemnAllOf(owner: string): Promise<number> {
    return this.files.update(
      { uploadedBy: owner, state: In(['pending', 'stored']) },
      { state: 'deleting', touchedAt: new Date() },
    );
  }

  async forgetUploader(owner: string): Promise<void> {
    await this.files.update({ uploadedBy: owner }, { uploadedBy: null });
  }

  /** Once its bytes are gone. */
  async drop(id: string): Promise<void> {
    await this.files.delete({ id, state: 'deleting' });
  }

  /** A page of those that are to go. */
  condemned(limit: number): Promise<TenantFile[]> {
    return this.files.find({ where: { state: 'deleting' }, order: { id: 'ASC' }, take: limit });
  }

  isCondemned(id: string): Promise<boolean> {
    return this.files.exists({ id, state: 'deleting' });
  }

  /** A stored one. */
  async find(id: string, owner?: FileOwner): Promise<TenantFile | undefined> {
    const where = { id, state: 'stored' as const, ...(owner !== undefined && { uploadedBy: owner }) };
    return (await this.files.findOneBy(where)) ?? undefined;
  }

  /** Whatever their state. @returns those of the ids that there are */
  async present(ids: string[]): Promise<Set<string>> {
    const rows = await this.files.find({ where: { id: In(ids) }, select: { id: true } });
    return new Set(rows.map(({ id }) => id));
  }

  /** Stored ones, newest first. @param before an id */
  page(limit: number, before: string | undefined, owner: FileOwner): Promise<TenantFile[]> {
    const query = this.files
      .createQueryBuilder('file')
      .where(`file.state = 'stored'`)
      .orderBy('file.id', 'DESC')
      .limit(limit);
    if (before !== undefined) query.andWhere('file.id < :before', { before });
    if (owner !== undefined) query.andWhere('file.uploadedBy = :owner', { owner });
    return query.getMany();
  }

  async usage(): Promise<FileUsage> {
    const row = await this.files
      .createQueryBuilder('file')
      .select('count(*)', 'files')
      .addSelect('coalesce(sum(file.bytes), 0)', 'bytes')
      .where(`file.state <> 'deleting'`)
      .getRawOne<{ files: string; bytes: string }>();
    return { files: Number(row?.files ?? 0), bytes: Number(row?.bytes ?? 0) };
  }
}
