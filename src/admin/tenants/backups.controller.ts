import { Controller, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { parseLimit } from '../../common/index.js';
import { ApiNamedTenant, ApiPaging } from '../../http/index.js';
import { BackupJobs, TenantBackups } from '../../tenant/index.js';
import { BackupListView, BackupView } from './backup.dto.js';

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/backups')
export class BackupsController {
  constructor(
    private readonly backups: TenantBackups,
    private readonly jobs: BackupJobs,
  ) {}

  @Post()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Have a tenant backed up',
    description:
      'Answers at once. While one is being made, that one is the answer. 409 `backups_off` without BACKUP_DIR and BACKUP_S3_BUCKET.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: BackupView })
  async order(@Param('tenant') name: string): Promise<BackupView> {
    return BackupView.of(await this.jobs.order(name));
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: "A tenant's backups, newest first" })
  @ApiNamedTenant()
  @ApiPaging(200)
  @ApiOkResponse({ type: BackupListView })
  async list(
    @Param('tenant') name: string,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<BackupListView> {
    const page = await this.backups.list(name, parseLimit(limit, 50, 200), cursor);
    return { ...page, items: page.items.map((one) => BackupView.of(one)) };
  }
}
