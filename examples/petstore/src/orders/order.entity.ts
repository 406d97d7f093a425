import { TenantOwned } from 'tenantry';
import { Column, Entity } from 'typeorm';

/** Something that the shop sells. */
@Entity('items')
export class Item extends TenantOwned {
  @Column('text')
  name: string;

  /** In minor units of the currency: 1250 is 12.50. */
  @Column('integer', { name: 'price_minor' })
  priceMinor: number;

  /** ISO 4217 */
  @Column('char', { length: 3 })
  currency: string;

  /** What is left, without what is ordered. */
  @Column('integer')
  stock: number;
}

export const ORDER_STATUSES = ['placed', 'approved', 'delivered', 'cancelled'] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

@Entity('orders')
export class Order extends TenantOwned {
  @Column('uuid', { name: 'item_id' })
  itemId: string;

  @Column('uuid', { name: 'owner_id', nullable: true })
  ownerId: string | null;

  @Column('integer')
  quantity: number;

  /** In minor units, at the price of the moment. PostgreSQL's bigint is a text to the driver. */
  @Column('bigint', { name: 'total_minor', transformer: { from: Number, to: (value: number) => value } })
  totalMinor: number;

  @Column('char', { length: 3 })
  currency: string;

  @Column('text')
  status: OrderStatus;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
