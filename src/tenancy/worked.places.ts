import { Injectable } from '@nestjs/common';
import { PlanReserves, roomFor } from './plan.reserves.js';
import { TenantLookUp } from './tenant.look-up.js';

/** Of what is worked at once, how many places are free for whom. */
export class WorkedPlaces {
  private readonly plans = new Map<string, string | undefined>();
  private readonly busy = new Map<string | undefined, number>();

  constructor(
    private readonly max: number,
    private readonly reserves: Pick<PlanReserves, 'workers'>,
    private readonly tenants: Pick<TenantLookUp, 'byId'>,
  ) {}

  /** Whether plans keep some for their tenants. */
  get kept(): boolean {
    return this.reserves.workers.size > 0;
  }

  /** The plans that keep some. */
  plansWithReserve(): string[] {
    return [...this.reserves.workers.keys()];
  }

  /** How many are free for tenants of a plan; undefined: for everybody. */
  freeFor(plan: string | undefined): number {
    return roomFor(plan, this.max, this.busy, this.reserves.workers);
  }

  async freeForTenant(tenantId: string): Promise<number> {
    return this.freeFor(await this.planOf(tenantId));
  }

  async take(tenantId: string | null | undefined, count = 1): Promise<void> {
    const plan = tenantId ? await this.planOf(tenantId) : undefined;
    this.busy.set(plan, (this.busy.get(plan) ?? 0) + count);
  }

  /** Without anything reserved nobody's plan matters. */
  private async planOf(tenantId: string): Promise<string | undefined> {
    if (!this.kept) return undefined;
    if (!this.plans.has(tenantId)) this.plans.set(tenantId, (await this.tenants.byId(tenantId))?.plan);
    return this.plans.get(tenantId);
  }
}

/** Counts the places of what is worked at once. */
@Injectable()
export class WorkedPlacesFactory {
  constructor(
    private readonly reserves: PlanReserves,
    private readonly tenants: TenantLookUp,
  ) {}

  /** @param max how many there are @param busy how many are taken, by tenant */
  async count(max: number, busy: Iterable<[string | null | undefined, number]>): Promise<WorkedPlaces> {
    const places = new WorkedPlaces(max, this.reserves, this.tenants);
    for (const [tenantId, count] of busy) await places.take(tenantId, count);
    return places;
  }
}
