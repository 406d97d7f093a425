import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiParam } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, callerOf, declarePermission, IdempotencyService, locate, parseLimit } from 'tenantry';
import { Id, ListQuery, NotFound, Operation, Resource } from '../rest.js';
import { AddItemRequest, ItemPage, ItemView, OrderPage, OrderView, PlaceOrderRequest } from './order.dto.js';
import { type NextStatus, OrdersService } from './orders.service.js';

const ORDER_READ = declarePermission({
  name: 'order:read',
  about: 'Read of what the shop has, and of orders',
  roles: ['admin', 'member', 'viewer'],
});
const ORDER_WRITE = declarePermission({
  name: 'order:write',
  about: 'Add things to the shop, place orders and see to them',
  roles: ['admin', 'member'],
});
const DAY_MS = 24 * 3600 * 1000;
const ACTS: Record<string, NextStatus> = { approve: 'approved', deliver: 'delivered', cancel: 'cancelled' };

@Resource('orders')
@Controller('api')
export class OrdersController {
  constructor(
    private readonly orders: OrdersService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Get('items')
  @Operation(ORDER_READ)
  @ApiOperation({ summary: 'What the shop has' })
  @ApiOkResponse({ type: ItemPage })
  async listItems(@Query() { limit, cursor }: ListQuery): Promise<ItemPage> {
    return ItemPage.of(await this.orders.listItems(parseLimit(limit, 50, 100), cursor));
  }

  @Post('items')
  @HttpCode(201)
  @Operation(ORDER_WRITE)
  @ApiOperation({ summary: 'Add something to the shop' })
  @ApiCreatedResponse({ type: ItemView })
  async addItem(@Body() body: AddItemRequest): Promise<ItemView> {
    return ItemView.of(await this.orders.addItem(body));
  }

  @Get('orders')
  @Operation(ORDER_READ)
  @ApiOperation({ summary: 'Orders, newest first' })
  @ApiOkResponse({ type: OrderPage })
  async list(@Query() { limit, cursor }: ListQuery): Promise<OrderPage> {
    return OrderPage.of(await this.orders.list(parseLimit(limit, 50, 100), cursor));
  }

  @Post('orders')
  @HttpCode(201)
  @Operation(ORDER_WRITE)
  @ApiOperation({ summary: 'Place an order', description: 'What is ordered is taken out of the stock.' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A random UUID makes a retry safe.' })
  @ApiCreatedResponse({ type: OrderView })
  async place(
    @Body() body: PlaceOrderRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OrderView> {
    const scope = `POST /api/orders ${callerOf(request).id}`;
    const view = await this.idempotency.execute<OrderView>({ key, scope, body, ttlMs: DAY_MS }, (commit) => {
      const placed = {} as OrderView;
      return commit(placed, async () => void Object.assign(placed, OrderView.of(await this.orders.place(body))));
    });
    locate(request, response, view.id);
    return view;
  }

  @Get('orders/:id')
  @Operation(ORDER_READ)
  @Id()
  @ApiOperation({ summary: 'An order' })
  @ApiOkResponse({ type: OrderView })
  async get(@Param('id') id: string): Promise<OrderView> {
    return OrderView.of(await this.orders.find(id));
  }

  @Post('orders/:id/:act')
  @HttpCode(200)
  @Operation(ORDER_WRITE)
  @Id()
  @ApiParam({ name: 'act', enum: Object.keys(ACTS) })
  @ApiOperation({ summary: 'Approve, deliver or cancel an order', description: 'What is cancelled is in stock again.' })
  @ApiOkResponse({ type: OrderView })
  async advance(@Param('id') id: string, @Param('act') act: string): Promise<OrderView> {
    const next = Object.hasOwn(ACTS, act) ? ACTS[act] : undefined;
    if (next === undefined) throw new NotFound('act');
    return OrderView.of(await this.orders.advance(id, next));
  }
}
