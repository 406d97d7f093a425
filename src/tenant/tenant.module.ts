import { Global, Module } from '@nestjs/common';
import { TenantDirectory } from '../tenancy/index.js';
import { PostgresTenantDirectory } from './postgres-tenant.directory.js';
import { TenantRegistry } from './tenant.registry.js';

@Global()
@Module({
  providers: [TenantRegistry, { provide: TenantDirectory, useClass: PostgresTenantDirectory }],
  exports: [TenantRegistry, TenantDirectory],
})
export class TenantModule {}
