import { Global, Module } from '@nestjs/common';
import { OutboundFetch } from './outbound.fetch.js';
import { OutboundPolicy } from './outbound.policy.js';

@Global()
@Module({
  providers: [OutboundPolicy, OutboundFetch],
  exports: [OutboundPolicy, OutboundFetch],
})
export class OutboundModule {}
