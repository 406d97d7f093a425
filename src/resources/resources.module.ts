import { Global, Module } from '@nestjs/common';
import { TenantResources } from './tenant.resources.js';

@Global()
@Module({ providers: [TenantResources], exports: [TenantResources] })
export class ResourcesModule {}
