import { Injectable } from '@nestjs/common';
import { CursorInvalid, type Page } from '../common/index.js';
import { NO_TENANT } from './tenant.js';
import { CredentialCodec } from './tenant.credential.js';

/** Cursors of the control plane's lists, each good for one list alone. Those of a tenant's own lists are TenantCursors'. */
@Injectable()
export class PlatformCursors {
  constructor(private readonly credentials: CredentialCodec) {}

  /**
   * Where a page begins.
   *
   * @param list names the list with all that narrows it: a cursor is good for no other
   * @param tenantId of the tenant that the list is of, if it is of one
   * @returns what the cursor was made of; undefined without one
   * @throws CursorInvalid
   */
  open(list: string, cursor: string | undefined, tenantId: string = NO_TENANT): string | undefined {
    if (cursor === undefined) return undefined;
    const position = this.credentials.openCursor(tenantId, list, cursor);
    if (position === undefined) throw new CursorInvalid();
    return position;
  }

  /**
   * A page of rows of which one more was asked for than it has.
   *
   * @param positionOf the last row: where the next page begins after, a UUID
   * @param tenantId as for {@link open}
   */
  page<T>(
    list: string,
    rows: T[],
    limit: number,
    positionOf: (row: T) => string,
    tenantId: string = NO_TENANT,
  ): Page<T> {
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const more = rows.length > limit && last !== undefined;
    return { items, next_cursor: more ? this.credentials.sealCursor(tenantId, list, positionOf(last)) : null };
  }
}
