import { Readable } from 'node:stream';
import { UploadAborted } from './file.errors.js';
import { HEAD_BYTES } from './file.type.js';

/** Whatever bytes can be read from, a chunk at a time. */
export type FileSource = Readable | AsyncIterable<Uint8Array>;

/**
 * A file on its way in. It holds its first bytes, and of the rest one chunk; the source is left open when it is refused,
 * because a request that is destroyed cannot be answered any more.
 */
export class IncomingFile {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private head: Buffer[] = [];
  private taken = 0;

  /**
   * @param room bytes that there are for it
   * @param tooLarge what is thrown when it has more
   */
  constructor(
    source: FileSource,
    private readonly room: number,
    private readonly tooLarge: () => Error,
  ) {
    const chunks = source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source;
    this.chunks = chunks[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** The first bytes, which are among {@link bytes} still. */
  async begin(): Promise<Buffer> {
    for (let held = 0; held < HEAD_BYTES;) {
      const chunk = await this.next();
      if (!chunk) break;
      this.head.push(chunk);
      held += chunk.length;
    }
    const head = Buffer.concat(this.head);
    this.head = [head];
    return head.subarray(0, HEAD_BYTES);
  }

  /** All bytes. */
  async *bytes(): AsyncGenerator<Buffer> {
    const head = this.head;
    this.head = [];
    yield* head.filter(({ length }) => length > 0);
    for (let chunk = await this.next(); chunk; chunk = await this.next()) yield chunk;
  }

  private async next(): Promise<Buffer | undefined> {
    let chunk: IteratorResult<Uint8Array>;
    try {
      chunk = await this.chunks.next();
    } catch (error) {
      throw new UploadAborted(error);
    }
    if (chunk.done) return undefined;
    this.taken += chunk.value.length;
    if (this.taken > this.room) throw this.tooLarge();
    return Buffer.from(chunk.value.buffer, chunk.value.byteOffset, chunk.value.length);
  }
}
