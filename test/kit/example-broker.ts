import { Injectable } from '@nestjs/common';
import { TenantBroker, TenantContext } from 'tenantry';

/** Hands orders over to the tenant's own systems, as entries of a stream that these read. */
@Injectable()
export class OrderFeed {
  constructor(
    private readonly broker: TenantBroker,
    private readonly context: TenantContext,
  ) {}

  /** @returns whether the tenant has a Redis @throws ResourceUnavailable where it does not work */
  async handOver(orderId: string): Promise<boolean> {
    if (!this.broker.isSetUp(this.context.currentOrThrow('An order'))) return false;
    // In a job rather than in a request: it is tried again there, and nobody waits for a server of the tenant's.
    await this.broker.use((redis) => redis.xadd('orders', 'MAXLEN', '~', 10_000, '*', 'id', orderId));
    return true;
  }
}
