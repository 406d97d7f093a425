import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PlatformAuditQuery } from '../../audit/index.js';
import { parseLimit } from '../../common/index.js';
import { RequiresPlatformPermission } from '../access/access.decorator.js';
import { PlatformAuditListQuery, PlatformAuditPage } from './platform-audit.dto.js';

@ApiTags('platform')
@Controller('api/admin/audit')
export class PlatformAuditController {
  constructor(private readonly events: PlatformAuditQuery) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-audit:read')
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'What platform admins and the platform did, newest first' })
  @ApiOkResponse({ type: PlatformAuditPage })
  async list(@Query() query: PlatformAuditListQuery): Promise<PlatformAuditPage> {
    const page = await this.events.list(
      PlatformAuditListQuery.filter(query),
      parseLimit(query.limit, 50, 200),
      query.cursor,
    );
    return PlatformAuditPage.of(page);
  }
}
