import { Body, Controller, Delete, Get, Header, HttpCode, Param, Put } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { ApiNamedTenant } from '../../http/index.js';
import { HistoryJobs, TenantHistories } from '../../tenant/index.js';
import { HistoryView, KeepHistoryRequest } from './history.dto.js';

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/history')
export class HistoryController {
  constructor(
    private readonly jobs: HistoryJobs,
    private readonly histories: TenantHistories,
  ) {}

  @Put()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Keep every change of a tenant for some days',
    description:
      'Answers at once; `state` is `on` once a worker has switched it on, and a backup to begin with is made after that. ' +
      'Each write of the tenant costs more from then on. 409 `backups_off` without BACKUP_DIR.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: HistoryView })
  async keep(@Param('tenant') name: string, @Body() { days }: KeepHistoryRequest): Promise<HistoryView> {
    await this.jobs.keep(name, days);
    return this.status(name);
  }

  @Delete()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Keep no more changes of a tenant, and delete those that are kept',
    description: 'Answers at once; `state` is `off` once a worker has done it.',
  })
  @ApiNamedTenant()
  @ApiAcceptedResponse({ type: HistoryView })
  async drop(@Param('tenant') name: string): Promise<HistoryView> {
    await this.jobs.drop(name);
    return this.status(name);
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'Whether the changes of a tenant are kept, and how far back they reach' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: HistoryView })
  async status(@Param('tenant') name: string): Promise<HistoryView> {
    return HistoryView.of(await this.histories.status(name));
  }
}
