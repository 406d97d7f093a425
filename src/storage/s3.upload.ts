import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { StorageUse } from './object.storage.js';
import { isNamed, storeFailure } from './s3.failures.js';

/** More parts an object cannot have. */
const MOST_PARTS = 10_000;
/** For the last step, in ms: a row of the registry is locked for it, by a transaction that may be idle for 60 s. */
const COMPLETE_MS = 45_000;

interface S3Object {
  Bucket: string;
  Key: string;
}

/**
 * An object that is written part by part, and has no name before {@link complete}. It holds one part, however much is
 * written.
 */
export class S3Upload extends Writable {
  bytes = 0;
  sha256 = '';
  private readonly hash = createHash('sha256');
  /** All but the last are of one size, which some stores ask for. */
  private readonly part: Buffer;
  private readonly parts: CompletedPart[] = [];
  private readonly ended = new AbortController();
  private filled = 0;
  private sending: Promise<unknown> = Promise.resolve();
  private completed = false;

  private constructor(
    private readonly client: S3Client,
    private readonly object: S3Object,
    private readonly uploadId: string,
    private readonly use: StorageUse,
  ) {
    super();
    this.part = Buffer.allocUnsafe(use.partBytes);
  }

  /** @throws what the use says, so before anything of a tenant was read for it */
  static async begin(client: S3Client, object: S3Object, use: StorageUse): Promise<S3Upload> {
    try {
      const { UploadId: id } = await client.send(new CreateMultipartUploadCommand(object));
      if (id === undefined) throw use.failed('failed', 'it began an upload without an id');
      return new S3Upload(client, object, id, use);
    } catch (error) {
      throw storeFailure(use, error);
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.take(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.sha256 = this.hash.digest('hex');
    // An upload without parts cannot be completed.
    const rest = this.filled > 0 || this.parts.length === 0 ? this.send() : Promise.resolve();
    rest.then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.ended.abort();
    const settled = (): void => done(error);
    this.sending.then(settled, settled);
  }

  /** Gives it its name. @throws what the use says */
  async complete(): Promise<void> {
    const command = { ...this.object, UploadId: this.uploadId, MultipartUpload: { Parts: this.parts } };
    try {
      await this.client.send(new CompleteMultipartUploadCommand(command), {
        abortSignal: AbortSignal.timeout(COMPLETE_MS),
      });
    } catch (error) {
      throw storeFailure(this.use, error);
    }
    this.completed = true;
  }

  /** Nothing happens to what was completed. @throws what the use says */
  async abort(): Promise<void> {
    this.destroy();
    // A part that arrives after the end of its upload could stay.
    await this.sending.catch(() => undefined);
    if (!this.completed) await abortUpload(this.client, this.object, this.uploadId, this.use);
  }

  private async take(chunk: Buffer): Promise<void> {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    for (let from = 0; from < chunk.length;) {
      const copied = chunk.copy(this.part, this.filled, from);
      from += copied;
      this.filled += copied;
      if (this.filled === this.part.length) await this.send();
    }
  }

  private async send(): Promise<void> {
    const number = this.parts.length + 1;
    if (number > MOST_PARTS) {
      throw this.use.failed('failed', `an object is larger than ${MOST_PARTS} parts of ${this.use.partBytes} bytes`);
    }
    const body = this.part.subarray(0, this.filled);
    const command = { ...this.object, UploadId: this.uploadId, PartNumber: number, Body: body };
    const sent = this.client.send(new UploadPartCommand(command), { abortSignal: this.ended.signal });
    this.sending = sent;
    try {
      const { ETag: tag } = await sent;
      this.parts.push({ PartNumber: number, ETag: tag });
    } catch (error) {
      throw storeFailure(this.use, error);
    }
    this.filled = 0;
  }
}

/** Nothing happens when it is ended already. @throws what the use says */
export async function abortUpload(
  client: S3Client,
  object: S3Object,
  uploadId: string,
  use: StorageUse,
): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand({ ...object, UploadId: uploadId }));
  } catch (error) {
    if (!isNamed(error, 'NoSuchUpload')) throw storeFailure(use, error);
  }
}
