import { Global, Module } from '@nestjs/common';
import { TenantBroker } from './tenant.broker.js';

/** Redis servers that tenants bring themselves. */
@Global()
@Module({ providers: [TenantBroker], exports: [TenantBroker] })
export class BrokerModule {}
