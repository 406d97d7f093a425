import { Module, type Provider } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { MetricsService } from '../metrics/index.js';
import { RedisConnection } from '../redis/index.js';
import { AddressLimitGuard } from './address-limit.guard.js';
import type { LimitStorage } from './limit.storage.js';
import { MemoryThrottlerStorage } from './memory-throttler.storage.js';
import { SharedLimitStorage } from './shared-limit.storage.js';
import { TenantLimitGuard } from './tenant-limit.guard.js';

export * from './address-limit.guard.js';
export * from './declared.limits.js';
export * from './limit.storage.js';
export * from './limits.errors.js';
export * from './limits.settings.js';
export * from './memory-throttler.storage.js';
export * from './rate-limit.headers.js';
export * from './redis-throttler.storage.js';
export * from './shared-limit.storage.js';
export * from './sliding-window.js';
export * from './tenant-limit.guard.js';

/** In Redis where there is one, else in process. A worker has no requests to count. */
function storageFor(env?: Env, connection?: RedisConnection, metrics?: MetricsService): LimitStorage {
  if (!connection?.client || !metrics || env?.role === 'worker') return new MemoryThrottlerStorage();
  const onFailure = env?.limitsOnStoreFailure ?? 'local';
  return new SharedLimitStorage(connection.client, connection, { onFailure }, metrics);
}

/** The throttler's machinery on our own storage; each application gets a storage of its own. */
@Module({
  imports: [
    ThrottlerModule.forRootAsync({
      inject: [ENV, RedisConnection, MetricsService].map((token) => ({ token, optional: true })),
      useFactory: (...parts: Parameters<typeof storageFor>) => ({
        throttlers: [],
        setHeaders: false,
        storage: storageFor(...parts),
      }),
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
