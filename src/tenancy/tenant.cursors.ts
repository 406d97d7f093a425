import { Injectable } from '@nestjs/common';
import { CursorInvalid, type Page } from '../common/index.js';
import { TenantContext } from './tenant.context.js';
import { CredentialCodec } from './tenant.credential.js';

/** Cursors of lists, each good for one list of one tenant alone. */
@Injectable()
export class TenantCursors {
  constructor(
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
  ) {}

  /**
   * Where a page begins.
   *
   * @param list names the list with all that narrows it: a cursor is good for no other
   * @returns what the cursor was made of; undefined without one
   * @throws CursorInvalid; TenantContextMissing outside a tenant scope
   */
  open(list: string, cursor: string | undefined): string | undefined {
    const { id } = this.context.currentOrThrow('A list');
    if (cursor === undefined) return undefined;
    const position = this.credentials.openCursor(id, list, cursor);
    if (position === undefined) throw new CursorInvalid();
    return position;
  }

  /**
   * A page of rows of which one more was asked for than it has.
   *
   * @param positionOf the last row: where the next page begins after
   * @throws TenantContextMissing outside a tenant scope
   */
  page<T>(list: string, rows: T[], limit: number, positionOf: (row: T) => string): Page<T> {
    const { id } = this.context.currentOrThrow('A list');
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const more = rows.length > limit && last !== undefined;
    return { items, next_cursor: more ? this.credentials.sealCursor(id, list, positionOf(last)) : null };
  }
}
