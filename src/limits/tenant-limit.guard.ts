import { type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import { LimitExceeded } from './limits.errors.js';
import { type HeaderSink, setRateLimitHeaders } from './rate-limit.headers.js';

/** Metadata key under which {@link LimitedBy} keeps the name of the limit. */
export const LIMITED_BY = 'tenantry:limited-by';

/** Counts requests to a route (or to all routes of a controller) against the tenant's limit of that name. */
export const LimitedBy = (name: string) => SetMetadata(LIMITED_BY, name);

/** One tenant's limit, ready to be applied. */
export interface TenantLimitPolicy {
  /** Requests allowed per window. */
  quota: number;
  /** Width of the sliding window in seconds. */
  windowSeconds: number;
  /** Name of the policy as clients see it in the headers. */
  name: string;
  /** Path of the setting that holds the quota, such as `limits.chat_per_10s`. */
  setting: string;
  /** Whose quota is used up: the tenant's id. */
  tracker: string;
}

/** Port: knows the limits of the tenant on whose behalf the current request runs. */
export abstract class TenantLimits {
  /** The current tenant's limit of that name; undefined means no limit. */
  abstract policyFor(name: string): TenantLimitPolicy | undefined;
}

interface TenantLimitRequest extends ThrottlerRequest {
  policy: TenantLimitPolicy;
}

const PASS = Promise.resolve(true);
const generateKey = (_context: ExecutionContext, tracker: string, name: string): string => `${name}|${tracker}`;

/**
 * Applies the tenant's own limit to routes marked with {@link LimitedBy}; all other routes pass at once. Routes that
 * name the same limit share its quota.
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
    const name =
      this.reflector.get<string | undefined>(LIMITED_BY, context.getHandler()) ??
      this.reflector.get<string | undefined>(LIMITED_BY, context.getClass());
    if (name === undefined) return PASS;
    const policy = this.limits.policyFor(name);
    if (policy === undefined) return PASS;
    const limit = policy.quota;
    const ttl = policy.windowSeconds * 1000;
    return this.handleRequest({
      context,
      policy,
      limit,
      ttl,
      blockDuration: 0,
      throttler: { name: policy.name, limit, ttl, setHeaders: false },
      getTracker: () => policy.tracker,
      generateKey,
    });
  }

  protected override async handleRequest(request: TenantLimitRequest): Promise<boolean> {
    const { context, policy, limit, ttl, blockDuration } = request;
    const key = request.generateKey(context, policy.tracker, policy.name);
    const hit = await this.storageService.increment(key, ttl, limit, blockDuration, policy.name);
    const retryAfterSeconds = hit.isBlocked ? Math.max(1, hit.timeToBlockExpire) : undefined;
    setRateLimitHeaders(context.switchToHttp().getResponse<HeaderSink>(), {
      name: policy.name,
      quota: limit,
      windowSeconds: policy.windowSeconds,
      remaining: hit.isBlocked ? 0 : Math.max(0, limit - hit.totalHits),
      resetSeconds: hit.timeToExpire,
      retryAfterSeconds,
    });
    if (retryAfterSeconds !== undefined) throw new LimitExceeded(policy.setting, limit, retryAfterSeconds);
    return true;
  }
}
