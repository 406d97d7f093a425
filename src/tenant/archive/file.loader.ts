import { ArchiveInvalid } from './archive.errors.js';
import type { FileOfRow } from './archive.files.js';
import type { ArchivePart } from './archive.format.js';
import { named } from './archive.format.js';
import type { ArchiveRules } from './archive.rules.js';

export interface FileTakeover {
  /** The id that a row has here. */
  idOf: (id: string) => string;
  /** Called between files; throws where the work is to end. */
  check?: () => Promise<void>;
  /** What cannot be taken in; without it the first such ends it all. */
  refused?: (file: FileOfRow, error: ArchiveInvalid) => void;
}

/**
 * Brings the files of an archive to their store, in the scope of the tenant whose rows are there already. No transaction is
 * open meanwhile.
 *
 * @throws ArchiveInvalid
 */
export async function loadFiles(
  parts: AsyncGenerator<ArchivePart>,
  rules: ArchiveRules,
  { idOf, check, refused }: FileTakeover,
): Promise<void> {
  for await (const part of parts) {
    if (part.kind !== 'file') continue;
    await check?.();
    const { bytes } = rules.of(part.table);
    if (!bytes) throw new ArchiveInvalid(`rows of ${named(part.table)} have no files`);
    try {
      await bytes.put(idOf(part.id), bytesOf(parts));
    } catch (error) {
      if (!refused || !(error instanceof ArchiveInvalid)) throw error;
      refused(part, error);
    }
  }
}

/** Those of the file that has begun. What is not read of them is left to whoever reads on. */
async function* bytesOf(parts: AsyncGenerator<ArchivePart>): AsyncGenerator<Buffer> {
  for (;;) {
    const next: IteratorResult<ArchivePart, unknown> = await parts.next();
    if (next.done) throw new ArchiveInvalid('it is cut short');
    if (next.value.kind === 'file-end') return;
    if (next.value.kind === 'bytes') yield next.value.bytes;
  }
}
