import { Injectable } from '@nestjs/common';
import { ClsService } from 'nestjs-cls';
import type { Actor } from './actor.js';
import { TenantContextMissing } from './tenancy.errors.js';
import type { Resolution, TenancyStore } from './tenancy.store.js';
import type { Tenant } from './tenant.js';

/** The reader of the tenant scope. Setting it is TenantRunner's alone. */
@Injectable()
export class TenantContext {
  constructor(private readonly cls: ClsService<TenancyStore>) {}

  current(): Tenant | undefined {
    return this.store()?.tenant;
  }

  /** @throws TenantContextMissing outside a tenant scope */
  currentOrThrow(what = 'This operation'): Tenant {
    const tenant = this.current();
    if (!tenant) throw new TenantContextMissing(what);
    return tenant;
  }

  requestId(): string | undefined {
    return this.store()?.requestId;
  }

  /** Undefined until the guard has identified the caller, and outside a request. */
  actor(): Actor | undefined {
    return this.store()?.actor;
  }

  /** Of the client; undefined outside a request. */
  address(): string | undefined {
    return this.store()?.address;
  }

  /** What the request's signals amounted to; `none` outside a request. */
  resolution(): Resolution {
    return this.store()?.resolution ?? { kind: 'none' };
  }

  /** For the kernel and the facilities beside it. */
  store(): TenancyStore | undefined {
    return this.cls.isActive() ? this.cls.get<TenancyStore>() : undefined;
  }
}
