import { Global, Module } from '@nestjs/common';
import { DeadEvents } from './dead-events.service.js';
import { OutboxHandlers } from './outbox.handlers.js';
import { OutboxMetrics } from './outbox.metrics.js';
import { OutboxRelay } from './outbox.relay.js';
import { OutboxSeal } from './outbox.seal.js';
import { Outbox } from './outbox.service.js';
import { OutboxStore } from './outbox.store.js';

@Global()
@Module({
  providers: [OutboxSeal, OutboxStore, OutboxHandlers, OutboxRelay, Outbox, DeadEvents, OutboxMetrics],
  exports: [Outbox, OutboxHandlers, DeadEvents],
})
export class OutboxModule {}
