import { Injectable } from '@nestjs/common';
import type { Page } from '../common/index.js';
import { PlatformCursors } from './platform.cursors.js';
import { TenantContext } from './tenant.context.js';

/** Cursors of lists, each good for one list of one tenant alone. */
@Injectable()
export class TenantCursors {
  constructor(
    private readonly cursors: PlatformCursors,
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
    return this.cursors.open(list, cursor, this.context.currentOrThrow('A list').id);
  }

  /**
   * A page of rows of which one more was asked for than it has.
   *
   * @param positionOf the last row: where the next page begins after
   * @throws TenantContextMissing outside a tenant scope
   */
  page<T>(list: string, rows: T[], limit: number, positionOf: (row: T) => string): Page<T> {
    return this.cursors.page(list, rows, limit, positionOf, this.context.currentOrThrow('A list').id);
  }
}
