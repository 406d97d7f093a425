import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { TenantAudit } from '../audit/index.js';
import { isUuid, type Page } from '../common/index.js';
import { TenantSettings } from '../settings/index.js';
import type { ByteRange, ObjectStorage } from '../storage/index.js';
import { TenantContext, TenantCursors, TenantTransaction } from '../tenancy/index.js';
import {
  FileBytesMissing,
  FileNameInvalid,
  FileNotFound,
  FileQuotaExceeded,
  FileTooLarge,
  FileTypeRefused,
  TransfersRunning,
  UploadLost,
} from './file.errors.js';
import { type FileLink, FileLinks } from './file.links.js';
import { FileRemoval } from './file.removal.js';
import { DEAD_AFTER_MS, type FileOwner, FileRows } from './file.rows.js';
import { FILE_MAX_BYTES, FILE_QUOTA_BYTES, FILE_TYPES } from './file.settings.js';
import { InjectFileStorage } from './file.storage.js';
import { isAccepted, mediaTypeOf } from './file.type.js';
import { type FileSource, IncomingFile } from './incoming.file.js';
import type { TenantFile } from './tenant-file.entity.js';
import { TenantSlots } from './tenant.slots.js';

const LIST = 'files';
/** Of one tenant at once in a process. An upload holds a few MiB, a download a connection to the store. */
const MOST_UPLOADS = 8;
const MOST_DOWNLOADS = 64;
const NAME = /^[^\p{Cc}\p{Cs}\u2028\u2029]{1,255}$/u;

/** A file to be stored. */
export interface NewFile {
  /** To show; no path is made of it. */
  name: string;
  /** How many bytes there will be, where that is known. */
  bytes?: number | undefined;
  /** At most so many, where that is less than the tenant's `files.max_bytes`. */
  maxBytes?: number;
  /** Media types, or groups such as image/*, where that is less than the tenant's `files.types`. */
  accept?: readonly string[];
}

/** A file and its bytes. */
export interface OpenedFile {
  file: TenantFile;
  /** Destroy it when it is not read to its end. */
  stream: Readable;
}

export interface FileLimits {
  files: number;
  bytes: number;
  quotaBytes: number;
  maxBytes: number;
}

/**
 * Files of the current tenant: what is known of them is in its place, their bytes are in the store. Streamed both ways.
 * Every method throws TenantContextMissing outside a tenant scope. An `owner`, the id of a user or API key, makes
 * everybody else's files unknown.
 */
@Injectable()
export class TenantFiles {
  private readonly logger = new Logger('Files');
  private readonly uploads = new TenantSlots(MOST_UPLOADS, (most) => new TransfersRunning('uploads', most));
  private readonly downloads = new TenantSlots(MOST_DOWNLOADS, (most) => new TransfersRunning('downloads', most));

  constructor(
    @InjectFileStorage() private readonly storage: ObjectStorage,
    private readonly rows: FileRows,
    private readonly removal: FileRemoval,
    private readonly links: FileLinks,
    private readonly settings: TenantSettings,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly audit: TenantAudit,
  ) {}

  /**
   * Stores what comes, whole or not at all. The actor of the scope is its uploader.
   *
   * @param source is not destroyed, also when the file is refused
   * @throws FileNameInvalid, FileTooLarge, FileQuotaExceeded, FileTypeRefused, TransfersRunning, UploadAborted, UploadLost,
   *   FileStoreFailed; TransactionOpenDuringCall
   */
  async put(source: FileSource, wanted: NewFile): Promise<TenantFile> {
    this.transaction.assertNone('The store of files');
    if (!NAME.test(wanted.name)) throw new FileNameInvalid();
    const { id: tenantId } = this.context.currentOrThrow('A file');
    const max = Math.min(this.settings.get(FILE_MAX_BYTES), wanted.maxBytes ?? Infinity);
    if ((wanted.bytes ?? 0) > max) throw new FileTooLarge(max);
    const leave = this.uploads.take(tenantId);
    try {
      const pending = await this.rows.reserve(wanted.name, wanted.bytes, max);
      return await this.whileAlive(pending.id, () => this.take(source, pending, { ...wanted, maxBytes: max }));
    } finally {
      leave();
    }
  }

  /**
   * What is in a file, or a part of it.
   *
   * @throws FileNotFound, FileBytesMissing, FileStoreFailed, TransfersRunning
   */
  async open(
    id: string,
    { range, owner }: { range?: ByteRange | undefined; owner?: FileOwner } = {},
  ): Promise<OpenedFile> {
    this.transaction.assertNone('The store of files');
    const file = await this.find(id, owner);
    return { file, stream: await this.read(file, range) };
  }

  /** The bytes of a file that was found. @throws FileBytesMissing, FileStoreFailed, TransfersRunning */
  async read({ tenantId, id }: TenantFile, range?: ByteRange): Promise<Readable> {
    const leave = this.downloads.take(tenantId);
    const stream = await this.storage.open(tenantId, id, range).catch((error: unknown) => {
      leave();
      throw error;
    });
    if (stream) return stream.once('close', leave);
    leave();
    this.logger.error({ tenant_id: tenantId, file_id: id }, 'A file is not in the store');
    throw new FileBytesMissing();
  }

  /** Notes that a download did not come to its end; that of a client that went away is nothing to note. */
  broken({ tenantId, id }: TenantFile, error: unknown): void {
    if ((error as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    this.logger.error({ err: error, tenant_id: tenantId, file_id: id }, 'A download broke off');
  }

  /** @throws FileNotFound */
  async find(id: string, owner?: FileOwner): Promise<TenantFile> {
    const file = isUuid(id) ? await this.rows.find(id, owner) : undefined;
    if (!file) throw new FileNotFound();
    return file;
  }

  /** Newest first. @param limit 1 to 100 @throws CursorInvalid */
  async list(limit: number, cursor?: string, owner?: FileOwner): Promise<Page<TenantFile>> {
    const rows = await this.rows.page(limit + 1, this.cursors.open(LIST, cursor), owner);
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** Gone at once for everybody; its bytes as soon as the store answers. @throws FileNotFound */
  async delete(id: string, owner?: FileOwner): Promise<void> {
    this.transaction.assertNone('The store of files');
    if (!isUuid(id)) throw new FileNotFound();
    await this.transaction.run(async () => {
      if (!(await this.rows.condemn(id, 'stored', owner))) throw new FileNotFound();
      await this.audit.record({ event: 'file.deleted', target: targetOf(id) });
    });
    await this.removal.remove(id);
  }

  /**
   * A link that opens the file for whoever has it, without any credential, while the tenant is in service.
   *
   * @param seconds from now, 1 to 604,800
   * @throws FileNotFound, RangeError
   */
  async url(id: string, seconds: number, owner?: FileOwner): Promise<FileLink> {
    const file = await this.find(id, owner);
    return this.links.make(this.context.currentOrThrow('A link'), file.id, seconds);
  }

  /** The same for somebody who passes it on, which is in the audit log. */
  async share(id: string, seconds: number, owner?: FileOwner): Promise<FileLink> {
    const link = await this.url(id, seconds, owner);
    const details = { expires_at: link.expiresAt.toISOString() };
    await this.audit.record({ event: 'file.shared', target: targetOf(id), details });
    return link;
  }

  async usage(): Promise<FileLimits> {
    const used = await this.rows.usage();
    return { ...used, quotaBytes: this.settings.get(FILE_QUOTA_BYTES), maxBytes: this.settings.get(FILE_MAX_BYTES) };
  }

  private async whileAlive(id: string, work: () => Promise<TenantFile>): Promise<TenantFile> {
    const alive = setInterval(() => this.touch(id), DEAD_AFTER_MS / 12);
    try {
      return await work();
    } catch (error) {
      await this.takeBack(id);
      throw error;
    } finally {
      clearInterval(alive);
    }
  }

  private async take(source: FileSource, pending: TenantFile, wanted: NewFile & { maxBytes: number }) {
    const { id, tenantId, bytes: room } = pending;
    const { bytes: declared, maxBytes, accept = [] } = wanted;
    const incoming = new IncomingFile(source, room, () => {
      if (declared !== undefined || room === maxBytes) return new FileTooLarge(declared ?? maxBytes);
      const quota = this.settings.get(FILE_QUOTA_BYTES);
      return new FileQuotaExceeded(quota, quota - room);
    });
    const mediaType = await mediaTypeOf(await incoming.begin());
    for (const accepted of [this.settings.get(FILE_TYPES), accept]) {
      if (!isAccepted(mediaType, accepted)) throw new FileTypeRefused(mediaType, accepted);
    }
    const written = await this.storage.write(tenantId, id, (out) => pipeline(incoming.bytes(), out));
    try {
      await written.keep();
      const known = { bytes: written.bytes, sha256: written.sha256, mediaType };
      if (await this.settle(id, known)) return Object.assign(pending, known, { state: 'stored' as const });
    } finally {
      await written.discard();
    }
    await this.storage.remove(tenantId, id);
    throw new UploadLost();
  }

  /** @returns false when it was given up meanwhile */
  private settle(id: string, known: Pick<TenantFile, 'bytes' | 'sha256' | 'mediaType'>): Promise<boolean> {
    return this.transaction.run(async () => {
      if (!(await this.rows.settle(id, known))) return false;
      const details = { bytes: known.bytes, media_type: known.mediaType };
      await this.audit.record({ event: 'file.uploaded', target: targetOf(id), details });
      return true;
    });
  }

  /** What cannot be taken back now is within two hours, since nobody touches it any more. */
  private async takeBack(id: string): Promise<void> {
    try {
      if (await this.rows.condemn(id, 'pending')) await this.removal.remove(id);
    } catch (error) {
      this.logger.warn(
        { err: error, file_id: id },
        'What was begun of a file could not be removed; that is done later',
      );
    }
  }

  private touch(id: string): void {
    this.rows.touch(id).catch((error: unknown) => {
      this.logger.warn({ err: error, file_id: id }, 'An upload could not be touched');
    });
  }
}

function targetOf(id: string): { kind: string; id: string } {
  return { kind: 'file', id };
}
