import { Injectable } from '@nestjs/common';
import {
  AppError,
  InjectTenantRepository,
  newId,
  type Page,
  TenantAudit,
  TenantCursors,
  TenantRepository,
  TenantTransaction,
  ValidationFailed,
} from 'tenantry';
import { LessThan, MoreThan, MoreThanOrEqual } from 'typeorm';
import { Owner } from '../owners/index.js';
import { idOf, NotFound } from '../rest.js';
import type { AddItemRequest, PlaceOrderRequest } from './order.dto.js';
import { Item, Order, type OrderStatus } from './order.entity.js';

/** What an order can become, and from what. */
const BEFORE = { approved: ['placed'], delivered: ['approved'], cancelled: ['placed', 'approved'] } as const;
export type NextStatus = keyof typeof BEFORE;

@Injectable()
export class OrdersService {
  constructor(
    @InjectTenantRepository(Item) private readonly items: TenantRepository<Item>,
    @InjectTenantRepository(Order) private readonly orders: TenantRepository<Order>,
    @InjectTenantRepository(Owner) private readonly owners: TenantRepository<Owner>,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly audit: TenantAudit,
  ) {}

  /** @throws CursorInvalid */
  async listItems(limit: number, cursor?: string): Promise<Page<Item>> {
    const after = this.cursors.open('items', cursor);
    const where = after === undefined ? {} : { id: MoreThan(after) };
    const rows = await this.items.find({ where, order: { id: 'ASC' }, take: limit + 1 });
    return this.cursors.page('items', rows, limit, ({ id }) => id);
  }

  addItem({ name, price_minor: priceMinor, currency, stock }: AddItemRequest): Promise<Item> {
    return this.transaction.run(async () => {
      const [item] = await this.items.insert({ id: newId(), name, priceMinor, currency, stock });
      const target = { kind: 'item', id: item!.id };
      await this.audit.record({
        event: 'item.added',
        target,
        after: { name, price_minor: priceMinor, currency, stock },
      });
      return item!;
    });
  }

  /** Newest first. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<Order>> {
    const before = this.cursors.open('orders', cursor);
    const where = before === undefined ? {} : { id: LessThan(before) };
    const rows = await this.orders.find({ where, order: { id: 'DESC' }, take: limit + 1 });
    return this.cursors.page('orders', rows, limit, ({ id }) => id);
  }

  /** @throws NotFound */
  async find(id: string): Promise<Order> {
    const order = await this.orders.findOneBy({ id: idOf(id, 'order') });
    if (!order) throw new NotFound('order');
    return order;
  }

  /**
   * Takes what is ordered out of the stock.
   *
   * @throws ValidationFailed for an item or owner that is not there, OutOfStock
   */
  place({ item_id: itemId, quantity, owner_id }: PlaceOrderRequest): Promise<Order> {
    const ownerId = owner_id ?? null;
    return this.transaction.run(async () => {
      const item = await this.items.findOneBy({ id: itemId });
      if (!item) throw new ValidationFailed([{ pointer: '/item_id', detail: 'names no item' }]);
      if (ownerId !== null && !(await this.owners.exists({ id: ownerId }))) {
        throw new ValidationFailed([{ pointer: '/owner_id', detail: 'names no owner' }]);
      }
      // One statement decides who gets the last one.
      const left = { id: itemId, stock: MoreThanOrEqual(quantity) };
      if ((await this.items.update(left, { stock: () => `stock - ${quantity}` })) === 0) throw new OutOfStock();
      const [order] = await this.orders.insert({
        id: newId(),
        itemId,
        ownerId,
        quantity,
        totalMinor: item.priceMinor * quantity,
        currency: item.currency,
        status: 'placed',
        createdAt: new Date(),
      });
      await this.record('order.placed', order!, { quantity, total_minor: order!.totalMinor });
      return order!;
    });
  }

  /** @throws NotFound, OrderStateConflict */
  advance(id: string, next: NextStatus): Promise<Order> {
    return this.transaction.run(async () => {
      const order = await this.find(id);
      const before: readonly OrderStatus[] = BEFORE[next];
      const moved =
        before.includes(order.status) && (await this.orders.update({ id, status: order.status }, { status: next }));
      if (!moved) throw new OrderStateConflict(order.status, next);
      if (next === 'cancelled')
        await this.items.update({ id: order.itemId }, { stock: () => `stock + ${order.quantity}` });
      await this.record(`order.${next}`, order, { before: order.status });
      return Object.assign(order, { status: next });
    });
  }

  private record(event: string, { id }: Order, details: object): Promise<void> {
    return this.audit.record({ event, target: { kind: 'order', id }, details });
  }
}

class OutOfStock extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'out_of_stock',
      detail: 'There are not that many left.',
      remedy: 'Order fewer; GET /api/items tells how many there are.',
    });
  }
}

class OrderStateConflict extends AppError {
  constructor(status: OrderStatus, next: NextStatus) {
    super({
      status: 409,
      code: 'order_state_conflict',
      detail: `The order is ${status} and cannot become ${next}.`,
      remedy: `Only orders that are ${BEFORE[next].join(' or ')} can.`,
    });
  }
}
