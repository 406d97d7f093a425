import { Global, Module } from '@nestjs/common';
import { ResourceStates } from './resource.states.js';
import { TenantResources } from './tenant.resources.js';

@Global()
@Module({ providers: [ResourceStates, TenantResources], exports: [ResourceStates, TenantResources] })
export class ResourcesModule {}
