import { type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { Request } from 'express';
import { addressBucket, bearerOf } from '../common/index.js';
import { settingOf } from '../settings/index.js';
import { type Tenant, TenantContext } from '../tenancy/index.js';
import type { LimitPolicy, LimitStanding, LimitStorage, LimitVerdict } from './limit.storage.js';
import { AddressLimitExceeded } from './limits.errors.js';
import { VISITOR_LIMIT } from './limits.settings.js';
import { type HeaderSink, setRateLimitHeaders } from './rate-limit.headers.js';

/** The plan whose tenants are never limited by address. */
const UNLIMITED = 'unlimited';

/** Requests one address may make to routes of a class, per window. */
const CLASSES = {
  'sign-in': { quota: 60, windowSeconds: 60 },
  refresh: { quota: 300, windowSeconds: 60 },
  /** Whatever makes us send a mail to an address that the caller chose. */
  mail: { quota: 10, windowSeconds: 600 },
  /** Whatever takes a single-use credential out of a mail. */
  redeem: { quota: 30, windowSeconds: 600 },
  /** Each may hold a slug, and finds out about one. */
  'sign-up': { quota: 30, windowSeconds: 3600 },
  /** Callers without a bearer credential, where one that is shown is looked at. */
  visitor: { quota: undefined, windowSeconds: 10 },
  /** As visitors, whatever they show, where nobody looks at it. */
  anybody: { quota: undefined, windowSeconds: 10 },
  /** Callers of the operator's API who show no credential; a platform admin is counted by the tenant limits' guard. */
  admin: { quota: 6000, windowSeconds: 60 },
} as const;
export type AddressLimitClass = keyof typeof CLASSES;

/** Metadata key under which {@link AddressLimited} keeps the class. */
export const ADDRESS_LIMITED = 'tenantry:address-limited';

/** Counts requests from one address (IPv6: one /64) to routes of the class, tenant by tenant, before anything else. */
export const AddressLimited = (name: AddressLimitClass) => SetMetadata(ADDRESS_LIMITED, name);

interface AddressPolicy extends LimitPolicy {
  readonly name: AddressLimitClass;
}

const ADMIN_ROUTE = /^\/api\/admin(\/|$)/i;
const PASS = Promise.resolve(true);

/** The first of the guards: it costs no look-up, and what it refuses reaches nothing else. */
@Injectable()
export class AddressLimitGuard extends ThrottlerGuard {
  @Inject(TenantContext)
  protected readonly tenants: TenantContext;

  override onModuleInit(): Promise<void> {
    this.throttlers = [];
    this.commonOptions = {};
    return Promise.resolve();
  }

  override canActivate(context: ExecutionContext): Promise<boolean> {
    const tenant = this.tenants.current();
    if (tenant?.plan === UNLIMITED) return PASS;
    const name = this.reflector.get<AddressLimitClass | undefined>(ADDRESS_LIMITED, context.getHandler());
    if (name === undefined) return tenant ? PASS : this.limitAdminRoute(context);
    return this.limit(context, name, tenant);
  }

  private limitAdminRoute(context: ExecutionContext): Promise<boolean> {
    const { path, headers } = context.switchToHttp().getRequest<Request>();
    if (!ADMIN_ROUTE.test(path) || bearerOf(headers.authorization).kind === 'text') return PASS;
    return this.limit(context, 'admin', undefined);
  }

  private limit(context: ExecutionContext, name: AddressLimitClass, tenant: Tenant | undefined): Promise<boolean> {
    // Visitors of a tenant; a caller with a bearer credential is counted by what that stands for.
    const request = context.switchToHttp().getRequest<Request>();
    if (name === 'visitor' && (!tenant || bearerOf(request.headers.authorization).kind === 'text')) return PASS;
    const { quota, windowSeconds } = CLASSES[name];
    const policy: AddressPolicy = {
      key: `{t:${tenant?.id ?? ''}}:limit:address|${addressBucket(request.ip)}|address-${name}`,
      name,
      quota: quota ?? (tenant ? settingOf(tenant, VISITOR_LIMIT) : VISITOR_LIMIT.default),
      windowMs: windowSeconds * 1000,
    };
    const response = context.switchToHttp().getResponse<HeaderSink>();
    const verdict = (this.storageService as LimitStorage).consume([policy]);
    if (verdict instanceof Promise) return verdict.then((later) => admit(response, policy, later));
    admit(response, policy, verdict);
    return PASS;
  }
}

/** @throws AddressLimitExceeded */
function admit(response: HeaderSink, policy: AddressPolicy, { accepted, standings }: LimitVerdict): true {
  const { name, quota } = policy;
  const windowSeconds = policy.windowMs / 1000;
  const { remaining, resetSeconds } = standings[0] as LimitStanding;
  const state = { name: `address-${name}`, quota, windowSeconds, remaining, resetSeconds };
  if (accepted) {
    // Told together with the limits of the tenant.
    response.addressLimit = state;
    return true;
  }
  setRateLimitHeaders(response, [{ ...state, retryAfterSeconds: resetSeconds }]);
  throw new AddressLimitExceeded(name, quota, windowSeconds, resetSeconds);
}
