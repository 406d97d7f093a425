import { Global, Module } from '@nestjs/common';
import { DomainDirectory, TenantDirectory } from '../tenancy/index.js';
import { CertificateQuestion } from './domains/certificate.question.js';
import { DomainCheckStore } from './domains/domain-check.store.js';
import { DomainChecks } from './domains/domain.checks.js';
import { DomainProver } from './domains/domain.prover.js';
import { DomainStore } from './domains/domain.store.js';
import { DomainTimer } from './domains/domain.timer.js';
import { DomainsService } from './domains/domains.service.js';
import { PostgresDomainDirectory } from './domains/postgres-domain.directory.js';
import { PostgresTenantDirectory } from './postgres-tenant.directory.js';
import { TenantRegistry } from './tenant.registry.js';

const DOMAIN_PROVIDERS = [
  { provide: DomainDirectory, useClass: PostgresDomainDirectory },
  CertificateQuestion,
  DomainCheckStore,
  DomainChecks,
  DomainProver,
  DomainStore,
  DomainsService,
  DomainTimer,
];

@Global()
@Module({
  providers: [TenantRegistry, { provide: TenantDirectory, useClass: PostgresTenantDirectory }, ...DOMAIN_PROVIDERS],
  exports: [TenantRegistry, TenantDirectory, DomainDirectory, DomainsService, DomainChecks, CertificateQuestion],
})
export class TenantModule {}
