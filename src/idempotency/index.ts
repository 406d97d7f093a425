import { Global, Module } from '@nestjs/common';
import { IdempotencyService } from './idempotency.service.js';

export { IdempotencyKey } from './idempotency-key.entity.js';
export { type Commit, IdempotencyService, type IdempotentRequest } from './idempotency.service.js';

@Global()
@Module({ providers: [IdempotencyService], exports: [IdempotencyService] })
export class IdempotencyModule {}
