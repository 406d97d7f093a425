import { Injectable } from '@nestjs/common';

/** What a module puts into a new tenant. Modules register when they start. */
@Injectable()
export class TenantSeeds {
  private readonly seeds: (() => Promise<void>)[] = [];

  /** @param seed runs in the tenant's scope and in one transaction with all others, once for each tenant */
  register(seed: () => Promise<void>): void {
    this.seeds.push(seed);
  }

  async plant(): Promise<void> {
    for (const seed of this.seeds) await seed();
  }
}
