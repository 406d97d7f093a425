import { Global, Module } from '@nestjs/common';
import { DomainNotices } from '../tenant/index.js';
import { CertificatesController } from './certificates.controller.js';
import { DomainsController } from './domains.controller.js';
import { MailedDomainNotices } from './mailed-domain.notices.js';

/** The HTTP face of the tenants' own domains, and the mails about them. */
@Global()
@Module({
  controllers: [DomainsController, CertificatesController],
  providers: [{ provide: DomainNotices, useClass: MailedDomainNotices }],
  exports: [DomainNotices],
})
export class DomainsModule {}
