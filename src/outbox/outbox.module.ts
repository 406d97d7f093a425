import { Global, Module } from '@nestjs/common';
import { EventRunner } from './event.runner.js';
import { DeadEvents } from './dead-events.service.js';
import { OutboxHandlers } from './outbox.handlers.js';
import { OutboxMetrics } from './outbox.metrics.js';
import { OutboxRelay } from './outbox.relay.js';
import { OutboxSeal } from './outbox.seal.js';
import { Outbox } from './outbox.service.js';
import { OutboxTables } from './outbox.tables.js';
import { OwnOutboxes } from './own.outboxes.js';

@Global()
@Module({
  providers: [
    OutboxSeal,
    OutboxTables,
    EventRunner,
    OutboxHandlers,
    OwnOutboxes,
    OutboxRelay,
    Outbox,
    DeadEvents,
    OutboxMetrics,
  ],
  exports: [Outbox, OutboxHandlers, DeadEvents],
})
export class OutboxModule {}
