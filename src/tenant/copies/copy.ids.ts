import { bytesToUuid, sha256, uuidToBytes } from '../../common/index.js';

/** Time and counter of a UUIDv7: what puts it in order. */
const KEPT_BYTES = 11;

/**
 * The ids of a copy: of each row's id another, always the same one, in the same order. So references stay together
 * without a list of what became what, and a page that is written twice is the same page.
 */
export class CopyIds {
  constructor(private readonly targetId: string) {}

  of(id: string): string {
    const kept = uuidToBytes(id).subarray(0, KEPT_BYTES);
    return bytesToUuid(Buffer.concat([kept, sha256(`${this.targetId}:${id}`).subarray(0, 16 - KEPT_BYTES)]));
  }
}
