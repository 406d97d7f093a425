import { Global, Module } from '@nestjs/common';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { MetricsService } from '../metrics/index.js';
import { RedisConnection } from './redis.connection.js';

@Global()
@Module({
  providers: [
    {
      provide: RedisConnection,
      inject: [ENV, MetricsService],
      useFactory: (env: Env, metrics: MetricsService) => RedisConnection.open(env, metrics),
    },
  ],
  exports: [RedisConnection],
})
export class RedisModule {}
