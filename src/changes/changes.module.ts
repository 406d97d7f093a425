import { Global, Module } from '@nestjs/common';
import { ChangeFeed } from './change-feed.js';
import { TenantFeed } from './tenant.feed.js';

@Global()
@Module({ providers: [ChangeFeed, TenantFeed], exports: [ChangeFeed, TenantFeed] })
export class ChangesModule {}
