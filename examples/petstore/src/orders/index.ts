import { Module } from '@nestjs/common';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';

export { Item, Order } from './order.entity.js';

@Module({ controllers: [OrdersController], providers: [OrdersService] })
export class OrdersModule {}
