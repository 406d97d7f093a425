import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, IsUUID, Length, Matches, Max, Min } from 'class-validator';
import type { Page } from 'tenantry';
import { PageView } from '../rest.js';
import { type Item, type Order, ORDER_STATUSES, type OrderStatus } from './order.entity.js';

const MOST = 1_000_000;

export class AddItemRequest {
  @ApiProperty({ example: 'Collar', maxLength: 100 })
  @IsString()
  @Length(1, 100)
  name: string;

  @ApiProperty({ type: 'integer', example: 1250, description: 'In minor units: 1250 is 12.50.' })
  @IsInt()
  @Min(0)
  @Max(MOST)
  price_minor: number;

  @ApiProperty({ example: 'EUR' })
  @Matches(/^[A-Z]{3}$/, { message: 'currency must be a code of ISO 4217' })
  currency: string;

  @ApiProperty({ type: 'integer', example: 10 })
  @IsInt()
  @Min(0)
  @Max(MOST)
  stock: number;
}

export class ItemView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ type: 'integer' })
  price_minor: number;

  @ApiProperty({ example: 'EUR' })
  currency: string;

  @ApiProperty({ type: 'integer' })
  stock: number;

  static of({ id, name, priceMinor, currency, stock }: Item): ItemView {
    return { id, name, price_minor: priceMinor, currency, stock };
  }
}

export class ItemPage extends PageView {
  @ApiProperty({ type: [ItemView] })
  items: ItemView[];

  static of({ items, next_cursor }: Page<Item>): ItemPage {
    return { items: items.map((item) => ItemView.of(item)), next_cursor };
  }
}

export class PlaceOrderRequest {
  @ApiProperty({ format: 'uuid' })
  @IsUUID()
  item_id: string;

  @ApiProperty({ type: 'integer', example: 1, minimum: 1, maximum: 1000 })
  @IsInt()
  @Min(1)
  @Max(1000)
  quantity: number;

  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  owner_id?: string;
}

export class OrderView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  item_id: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  owner_id: string | null;

  @ApiProperty({ type: 'integer' })
  quantity: number;

  @ApiProperty({ type: 'integer', description: 'In minor units, at the price of the moment.' })
  total_minor: number;

  @ApiProperty({ example: 'EUR' })
  currency: string;

  @ApiProperty({ enum: ORDER_STATUSES })
  status: OrderStatus;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of({ id, itemId, ownerId, quantity, totalMinor, currency, status, createdAt }: Order): OrderView {
    return {
      id,
      item_id: itemId,
      owner_id: ownerId,
      quantity,
      total_minor: totalMinor,
      currency,
      status,
      created_at: createdAt.toISOString(),
    };
  }
}

export class OrderPage extends PageView {
  @ApiProperty({ type: [OrderView] })
  items: OrderView[];

  static of({ items, next_cursor }: Page<Order>): OrderPage {
    return { items: items.map((order) => OrderView.of(order)), next_cursor };
  }
}
