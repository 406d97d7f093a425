import { Global, Module } from '@nestjs/common';
import { FairnessMetrics } from './fairness.metrics.js';
import { TenantAdmission } from './tenant.admission.js';

@Global()
@Module({ providers: [FairnessMetrics, TenantAdmission], exports: [FairnessMetrics, TenantAdmission] })
export class FairnessModule {}
