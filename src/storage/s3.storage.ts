import { Readable, type Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import { isUuid } from '../common/index.js';
import type { Bucket } from '../env/index.js';
import { type ByteRange, ObjectStorage, type StorageUse, type WrittenObject } from './object.storage.js';
import { isNamed, storeFailure } from './s3.failures.js';
import { abortUpload, S3Upload } from './s3.upload.js';

/** An upload to which nobody has added a part for so long is abandoned, in ms. */
const ABANDONED_MS = 60 * 60 * 1000;
/** How long a store may keep silent, in ms, before it is asked again, and how often it is asked at all. */
const SILENCE_MS = 20_000;
const ATTEMPTS = 3;
const CONNECT_MS = 5000;
/** Objects that are read slowly keep theirs. */
const MOST_SOCKETS = 1000;
/** How often everything of a tenant is looked for until nothing is found. */
const MAX_ROUNDS = 10;
/** Objects removed at once. */
const AT_ONCE = 8;
const ID_LENGTH = 36;

interface Upload {
  key: string;
  id: string;
  begun: Date | undefined;
}

/**
 * Objects in a bucket of an S3 store, `<prefix><tenant>/<id><suffix>`. One that is being written is an upload in parts: it is
 * no object before it is completed, which happens when it is kept.
 */
export class S3Storage extends ObjectStorage implements OnApplicationShutdown {
  private readonly logger: Logger;
  private readonly client: S3Client;

  /** @param silenceMs how long the store may keep silent */
  constructor(
    private readonly at: Bucket,
    private readonly use: StorageUse,
    silenceMs = SILENCE_MS,
  ) {
    super();
    this.logger = new Logger(use.name);
    const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = at;
    this.client = new S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      forcePathStyle,
      credentials: { accessKeyId, secretAccessKey },
      maxAttempts: ATTEMPTS,
      // Every part is signed with its SHA-256 already; checksums on top of it are what other stores than AWS stumble over.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        socketTimeout: silenceMs,
        httpAgent: { maxSockets: MOST_SOCKETS },
        httpsAgent: { maxSockets: MOST_SOCKETS },
      },
    });
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }

  async write<T>(tenantId: string, id: string, work: (out: Writable) => Promise<T>): Promise<WrittenObject<T>> {
    const upload = await S3Upload.begin(this.client, this.objectOf(tenantId, id), this.use);
    const discard = async (): Promise<void> => {
      try {
        await upload.abort();
      } catch (error) {
        this.logger.warn({ err: error, object_id: id }, 'An upload could not be ended; that is done within two hours');
      }
    };
    try {
      const made = await work(upload);
      return { bytes: upload.bytes, sha256: upload.sha256, made, keep: () => upload.complete(), discard };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  async open(tenantId: string, id: string, range?: ByteRange): Promise<Readable | undefined> {
    const wanted = range && { Range: `bytes=${range.first}-${range.last}` };
    try {
      const { Body: body } = await this.client.send(
        new GetObjectCommand({ ...this.objectOf(tenantId, id), ...wanted }),
      );
      const received = body as Readable;
      // Also what nobody begins to read.
      return Readable.from(this.received(received), { objectMode: false }).once('close', () => received.destroy());
    } catch (error) {
      if (isNamed(error, 'NoSuchKey', 'NotFound')) return undefined;
      throw storeFailure(this.use, error);
    }
  }

  async has(tenantId: string, id: string): Promise<boolean> {
    try {
      await this.client.send(new HeadObjectCommand(this.objectOf(tenantId, id)));
      return true;
    } catch (error) {
      if (isNamed(error, 'NoSuchKey', 'NotFound')) return false;
      throw storeFailure(this.use, error);
    }
  }

  fileOf(): undefined {
    return undefined;
  }

  async remove(tenantId: string, id: string): Promise<void> {
    await this.removeKey(this.objectOf(tenantId, id).Key);
  }

  async removeAll(tenantId: string): Promise<void> {
    const folder = this.folderOf(tenantId);
    // What is completed between the two looks of one round is seen in the next.
    for (let round = 1; round <= MAX_ROUNDS; round += 1) {
      const uploads = await this.uploads(folder);
      for (const { key, id } of uploads) await this.abort(key, id);
      const keys = await this.keys(folder);
      for (let from = 0; from < keys.length; from += AT_ONCE) {
        await Promise.all(keys.slice(from, from + AT_ONCE).map((key) => this.removeKey(key)));
      }
      if (uploads.length === 0 && keys.length === 0) return;
      await sleep(100 * round);
    }
    // Some stores list for a while what is gone. Whoever erases the tenant tries again.
    throw new Error(`The store still has something of ${tenantId}.`);
  }

  async removeAbandoned(): Promise<number> {
    const before = Date.now() - ABANDONED_MS;
    let removed = 0;
    for (const { key, id, begun } of await this.uploads(this.at.prefix)) {
      // Of others that share the bucket nothing is known.
      if (this.namedBy(key) === undefined || (begun?.getTime() ?? 0) > before) continue;
      if ((await this.addedTo(key, id)) > before) continue;
      await this.abort(key, id);
      removed += 1;
    }
    return removed;
  }

  async countOf(tenantId: string): Promise<number> {
    const folder = this.folderOf(tenantId);
    return (await this.keys(folder)).length + (await this.uploads(folder)).length;
  }

  async *idsOf(tenantId: string): AsyncGenerator<string[]> {
    for await (const keys of this.pages(this.folderOf(tenantId))) {
      yield keys.flatMap((key) => this.namedBy(key)?.id ?? []);
    }
  }

  async *tenants(): AsyncGenerator<string> {
    let last: string | undefined;
    // In the order of their names, so those of one tenant come together.
    for await (const keys of this.pages(this.at.prefix)) {
      for (const key of keys) {
        const tenantId = this.namedBy(key)?.tenantId;
        if (tenantId !== undefined && tenantId !== last) yield tenantId;
        last = tenantId ?? last;
      }
    }
  }

  /** @returns undefined for a name that is none of ours */
  private namedBy(key: string): { tenantId: string; id: string } | undefined {
    const name = key.slice(this.at.prefix.length);
    const [tenantId, id] = [name.slice(0, ID_LENGTH), name.slice(ID_LENGTH + 1, 2 * ID_LENGTH + 1)];
    const ours = isUuid(tenantId) && isUuid(id) && name === `${tenantId}/${id}${this.use.suffix}`;
    return ours ? { tenantId, id } : undefined;
  }

  private folderOf(tenantId: string): string {
    return `${this.at.prefix}${tenantId}/`;
  }

  private objectOf(tenantId: string, id: string): { Bucket: string; Key: string } {
    return { Bucket: this.at.bucket, Key: `${this.folderOf(tenantId)}${id}${this.use.suffix}` };
  }

  private async removeKey(key: string): Promise<void> {
    try {
      await this.client.send(new DeleteObjectCommand({ Bucket: this.at.bucket, Key: key }));
    } catch (error) {
      throw storeFailure(this.use, error);
    }
  }

  private abort(key: string, id: string): Promise<void> {
    return abortUpload(this.client, { Bucket: this.at.bucket, Key: key }, id, this.use);
  }

  private async keys(prefix: string): Promise<string[]> {
    const all: string[] = [];
    for await (const keys of this.pages(prefix)) all.push(...keys);
    return all;
  }

  private async *pages(prefix: string): AsyncGenerator<string[]> {
    try {
      const pages = paginateListObjectsV2({ client: this.client }, { Bucket: this.at.bucket, Prefix: prefix });
      for await (const { Contents: objects = [] } of pages) yield objects.flatMap(({ Key: key }) => key ?? []);
    } catch (error) {
      throw storeFailure(this.use, error);
    }
  }

  private async uploads(prefix: string): Promise<Upload[]> {
    const uploads: Upload[] = [];
    let page: ListMultipartUploadsCommandOutput | undefined;
    do {
      const after = page && { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      const command = new ListMultipartUploadsCommand({ Bucket: this.at.bucket, Prefix: prefix, ...after });
      try {
        page = await this.client.send(command);
      } catch (error) {
        throw storeFailure(this.use, error);
      }
      for (const { Key: key, UploadId: id, Initiated: begun } of page.Uploads ?? []) {
        if (key !== undefined && id !== undefined) uploads.push({ key, id, begun });
      }
    } while (page.IsTruncated);
    return uploads;
  }

  /** When the last part came, in ms since 1970; 0 when none has, or the upload has ended meanwhile. */
  private async addedTo(key: string, id: string): Promise<number> {
    let last = 0;
    let page: ListPartsCommandOutput | undefined;
    do {
      const after = page && { PartNumberMarker: page.NextPartNumberMarker };
      try {
        page = await this.client.send(
          new ListPartsCommand({ Bucket: this.at.bucket, Key: key, UploadId: id, ...after }),
        );
      } catch (error) {
        if (isNamed(error, 'NoSuchUpload')) return 0;
        throw storeFailure(this.use, error);
      }
      for (const { LastModified: added } of page.Parts ?? []) last = Math.max(last, added?.getTime() ?? 0);
    } while (page.IsTruncated);
    return last;
  }

  /** What comes, until it comes no more. */
  private async *received(body: Readable): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of body) yield chunk as Buffer;
    } catch (error) {
      throw storeFailure(this.use, error);
    }
  }
}
