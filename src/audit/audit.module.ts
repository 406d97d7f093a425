import { Global, Module } from '@nestjs/common';
import { AuditQuery } from './audit.query.js';
import { AuditRetention } from './audit.retention.js';
import { AuditService } from './audit.service.js';
import { PlatformAudit } from './platform.audit.js';
import { PlatformAuditQuery } from './platform-audit.query.js';
import { TenantAudit } from './tenant.audit.js';
import { TenantSecurityLog } from './tenant.security-log.js';

@Global()
@Module({
  providers: [
    AuditService,
    AuditQuery,
    AuditRetention,
    PlatformAudit,
    PlatformAuditQuery,
    TenantAudit,
    TenantSecurityLog,
  ],
  exports: [AuditService, AuditQuery, PlatformAudit, PlatformAuditQuery, TenantAudit],
})
export class AuditModule {}
