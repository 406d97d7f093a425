export { DeadEvents } from './dead-events.service.js';
export { OutboxEvent } from './outbox-event.entity.js';
export { type OutboxDelivery, OutboxFailure, type OutboxHandler, OutboxHandlers } from './outbox.handlers.js';
export { OutboxModule } from './outbox.module.js';
export { OutboxRelay } from './outbox.relay.js';
export { Outbox } from './outbox.service.js';
export type { DeadEvent } from './outbox.table.js';
