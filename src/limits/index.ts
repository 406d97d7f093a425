import { Module, type Provider } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { AddressLimitGuard } from './address-limit.guard.js';
import { MemoryThrottlerStorage } from './memory-throttler.storage.js';
import { TenantLimitGuard } from './tenant-limit.guard.js';

export * from './address-limit.guard.js';
export * from './declared.limits.js';
export * from './limit.storage.js';
export * from './limits.errors.js';
export * from './limits.settings.js';
export * from './memory-throttler.storage.js';
export * from './rate-limit.headers.js';
export * from './sliding-window.js';
export * from './tenant-limit.guard.js';

/** The throttler's machinery on our own storage; each application gets a storage of its own. */
@Module({
  imports: [
    ThrottlerModule.forRootAsync({
      useFactory: () => ({ throttlers: [], setHeaders: false, storage: new MemoryThrottlerStorage() }),
    }),
  ],
  exports: [ThrottlerModule],
})
export class LimitsModule {}

/** The guard that comes before all others. */
export const addressLimitProviders: Provider[] = [
  AddressLimitGuard,
  { provide: APP_GUARD, useExisting: AddressLimitGuard },
];

/**
 * The guard, applied to every route. List these after the guards that establish the tenant, in a module that imports
 * {@link LimitsModule} and can reach an implementation of {@link TenantLimits}.
 */
export const limitsProviders: Provider[] = [TenantLimitGuard, { provide: APP_GUARD, useExisting: TenantLimitGuard }];
