import { type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import { ADDRESS_LIMITED, type AddressLimitClass } from './address-limit.guard.js';
import type { LimitPolicy, LimitStanding, LimitStorage, LimitVerdict } from './limit.storage.js';
import { LimitExceeded, type RefusedBy } from './limits.errors.js';
import { type HeaderSink, type RateLimitState, setRateLimitHeaders } from './rate-limit.headers.js';

/** Metadata key under which {@link LimitedBy} keeps the name of the limit. */
export const LIMITED_BY = 'tenantry:limited-by';
const NOT_COUNTED = 'tenantry:not-counted';

/** Counts requests to a route (or to all routes of a controller) against the tenant's limit of that name. */
export const LimitedBy = (name: string) => SetMetadata(LIMITED_BY, name);

/** Leaves the routes of a controller out of every limit: those by which others watch the process. */
export const NotCounted = () => SetMetadata(NOT_COUNTED, true);

/** One limit, ready to be applied; `name` is what clients see in the headers. */
export interface TenantLimitPolicy extends LimitPolicy, Readonly<RefusedBy> {
  readonly quota: number;
}

/** What a route says of its limits. */
export interface LimitedRoute {
  /** Of {@link LimitedBy}. */
  readonly limit: string | undefined;
  /**
   * Whether those who have no account yet, or have not shown it, are limited here by address: what they ask must not use
   * up the quota that they would have behind the door.
   */
  readonly door: boolean;
}

/** Port: knows the limits that apply to the current request, by its tenant and caller. */
export abstract class TenantLimits {
  /** @returns those that apply, in the order in which clients are told; empty: no limit */
  abstract policiesFor(route: LimitedRoute): readonly TenantLimitPolicy[];
}

const PASS = Promise.resolve(true);

/**
 * Applies every limit of the current tenant and caller at once: a request that one of them refuses uses up none of the
 * others. Routes that name the same limit share its quota.
 */
@Injectable()
export class TenantLimitGuard extends ThrottlerGuard {
  @Inject(TenantLimits)
  protected readonly limits: TenantLimits;

  /** Quotas come from {@link TenantLimits}, so there are no fixed throttlers to prepare. */
  override onModuleInit(): Promise<void> {
    this.throttlers = [];
    this.commonOptions = {};
    return Promise.resolve();
  }

  override canActivate(context: ExecutionContext): Promise<boolean> {
    const policies = this.policiesFor(context);
    const response = context.switchToHttp().getResponse<HeaderSink>();
    if (policies.length === 0) {
      if (response.addressLimit) setRateLimitHeaders(response, [response.addressLimit]);
      return PASS;
    }
    const verdict = (this.storageService as LimitStorage).consume(policies);
    if (verdict instanceof Promise) return verdict.then((later) => admit(response, policies, later));
    admit(response, policies, verdict);
    return PASS;
  }

  private policiesFor(context: ExecutionContext): readonly TenantLimitPolicy[] {
    const [handler, controller] = [context.getHandler(), context.getClass()];
    if (this.reflector.get<true | undefined>(NOT_COUNTED, controller)) return [];
    const byAddress = this.reflector.get<AddressLimitClass | undefined>(ADDRESS_LIMITED, handler);
    return this.limits.policiesFor({
      limit:
        this.reflector.get<string | undefined>(LIMITED_BY, handler) ??
        this.reflector.get<string | undefined>(LIMITED_BY, controller),
      door: byAddress !== undefined && byAddress !== 'visitor',
    });
  }
}

/** @throws LimitExceeded naming the policy that refuses for longest */
function admit(
  response: HeaderSink,
  policies: readonly TenantLimitPolicy[],
  { accepted, standings }: LimitVerdict,
): true {
  const states = policies.map((policy, i) => stateOf(policy, standings[i] as LimitStanding));
  if (response.addressLimit) states.push(response.addressLimit);
  setRateLimitHeaders(response, states);
  if (accepted) return true;
  let longest = -1;
  standings.forEach(({ refused, resetSeconds }, i) => {
    if (refused && resetSeconds > (standings[longest]?.resetSeconds ?? 0)) longest = i;
  });
  throw new LimitExceeded(policies[longest] as TenantLimitPolicy, (standings[longest] as LimitStanding).resetSeconds);
}

function stateOf({ name, quota, windowMs }: TenantLimitPolicy, standing: LimitStanding): RateLimitState {
  const { refused, remaining, resetSeconds } = standing;
  return {
    name,
    quota,
    windowSeconds: windowMs / 1000,
    remaining,
    resetSeconds,
    retryAfterSeconds: refused ? resetSeconds : undefined,
  };
}
