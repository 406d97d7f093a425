import { Global, Module } from '@nestjs/common';
import { OutboxHandlers } from './outbox.handlers.js';
import { OutboxRelay } from './outbox.relay.js';
import { OutboxSeal } from './outbox.seal.js';
import { Outbox } from './outbox.service.js';
import { OutboxStore } from './outbox.store.js';

@Global()
@Module({
  providers: [OutboxSeal, OutboxStore, OutboxHandlers, OutboxRelay, Outbox],
  exports: [Outbox, OutboxHandlers],
})
export class OutboxModule {}
