import { Global, Module } from '@nestjs/common';
import { IdempotencyService } from './idempotency.service.js';
import { PlatformIdempotency } from './platform.idempotency.js';

export { IdempotencyKey } from './idempotency-key.entity.js';
export { type Commit, IdempotencyService, type IdempotentRequest } from './idempotency.service.js';
export { PlatformIdempotency } from './platform.idempotency.js';

@Global()
@Module({ providers: [IdempotencyService, PlatformIdempotency], exports: [IdempotencyService, PlatformIdempotency] })
export class IdempotencyModule {}
