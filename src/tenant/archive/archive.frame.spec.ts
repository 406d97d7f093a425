import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../common/index.js';
import { readArchive } from './archive.format.js';
import { newFrame, openFrame, type Sealer } from './archive.frame.js';

const under = (key: string): Sealer => ({ derive: (salt) => sha256(Buffer.concat([Buffer.from(key), salt])) });

async function* pieces(parts: Uint8Array[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part));
}

async function sealedBytes(parts: Uint8Array[], sealer: Sealer | undefined): Promise<Buffer> {
  const { head, seal } = await newFrame('gzip', sealer);
  const chunks = [head];
  for await (const chunk of seal(pieces(parts))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function opened(bytes: Buffer, sealer: Sealer | undefined, cuts: number[] = []): Promise<Buffer> {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const source = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
  const { body } = await openFrame(Readable.from(source, { objectMode: false }), sealer);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const big = fc.integer({ min: 0, max: 200_000 }).map((size) => new Uint8Array(size).fill(7));
const parts = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), big), { maxLength: 4 });

describe('the frame of an archive', () => {
  it('gives back what was put in, however it is cut into pieces on the way', async () => {
    await fc.assert(
      fc.asyncProperty(parts, fc.array(fc.nat(), { maxLength: 8 }), fc.boolean(), async (body, cuts, plain) => {
        const sealer = plain ? undefined : under('a');
        const bytes = await sealedBytes(body, sealer);
        expect((await opened(bytes, sealer, cuts)).equals(Buffer.concat(body))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('does not open whole when one bit of it is another, or its end is missing', async () => {
    await fc.assert(
      fc.asyncProperty(parts, fc.nat(), fc.integer({ min: 0, max: 7 }), fc.boolean(), async (body, at, bit, cut) => {
        const bytes = await sealedBytes(body, under('a'));
        const place = at % bytes.length;
        const broken = cut ? bytes.subarray(0, place) : Buffer.from(bytes);
        if (!cut) broken[place]! ^= 1 << bit;
        await expect(opened(broken, under('a'))).rejects.toMatchObject({ status: 422 });
      }),
      { numRuns: 150 },
    );
  });

  it('does not open when chunks are swapped, left out, doubled or those of another archive', async () => {
    const body = [new Uint8Array(64 * 1024 * 3 + 5).fill(1)];
    const [bytes, other] = [await sealedBytes(body, under('a')), await sealedBytes(body, under('a'))];
    const head = bytes.indexOf(10, bytes.indexOf(10) + 1) + 1;
    const size = 4 + 64 * 1024 + 16;
    const chunk = (from: Buffer, index: number): Buffer =>
      from.subarray(head + index * size, head + (index + 1) * size);
    const [a, b, c, d] = [0, 1, 2, 3].map((index) => chunk(bytes, index));
    const made = (...chunks: (Buffer | undefined)[]): Buffer =>
      Buffer.concat([bytes.subarray(0, head), ...(chunks as Buffer[])]);
    expect((await opened(made(a, b, c, d), under('a'))).length).toBe(body[0]!.length);
    // Cut between two chunks, and the one before told to be the last: only its nonce knows better.
    const last = Buffer.from(b!);
    last[0]! |= 0x80;
    for (const broken of [
      made(a, last),
      made(b, a, c, d),
      made(a, c, d),
      made(a, b, b, c, d),
      made(a, b, c),
      made(chunk(other, 0), b, c, d),
      made(d),
    ]) {
      await expect(opened(broken, under('a'))).rejects.toMatchObject({ status: 422 });
    }
  });

  it('that cannot be opened is let go of', async () => {
    const source = Readable.from([Buffer.from('{}'.repeat(50)), Buffer.from('more')]);
    await expect(readArchive(source, undefined).next()).rejects.toMatchObject({ code: 'archive_invalid' });
    expect(source.destroyed).toBe(true);
  });

  it('does not open under another key, or another kind of key, and asks for no more work than it knows of', async () => {
    const bytes = await sealedBytes([new Uint8Array(9)], under('a'));
    await expect(opened(bytes, under('b'))).rejects.toMatchObject({ code: 'archive_sealed' });
    await expect(opened(bytes, undefined)).rejects.toMatchObject({ code: 'archive_sealed' });
    await expect(opened(bytes, { passphrase: 'x' })).rejects.toMatchObject({ code: 'archive_sealed' });
    const greedy = { kdf: 'scrypt', n: 2 ** 30, r: 8, p: 1, salt: Buffer.alloc(32).toString('base64') };
    const header = `tenantry-archive 1\n${JSON.stringify({ compression: 'gzip', encryption: greedy })}\n`;
    await expect(opened(Buffer.from(header), { passphrase: 'x' })).rejects.toMatchObject({ code: 'archive_invalid' });
  });
});
