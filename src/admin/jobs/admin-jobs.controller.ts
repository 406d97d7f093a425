import { Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiConflictResponse,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { isUuid, parseLimit } from '../../common/index.js';
import { JobAdministration } from '../../jobs/index.js';
import { TenantDirectory } from '../../tenancy/index.js';
import { AdminJobListQuery, AdminJobPage, AdminJobView } from './admin-jobs.dto.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/jobs')
export class AdminJobsController {
  constructor(
    private readonly jobs: JobAdministration,
    private readonly tenants: TenantDirectory,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('job:read')
  @ApiOperation({ summary: 'Jobs of all tenants and of the platform, newest first; payloads are never shown' })
  @ApiOkResponse({ type: AdminJobPage })
  async list(@Query() query: AdminJobListQuery): Promise<AdminJobPage> {
    const { state, name, tenant, cursor } = query;
    const limit = parseLimit(query.limit, 50, 200);
    const tenantId = tenant === undefined || isUuid(tenant) ? tenant : (await this.tenants.findBySlug(tenant))?.id;
    if (tenant !== undefined && tenantId === undefined) return { items: [], next_cursor: null };
    return AdminJobPage.of(await this.jobs.list({ state, name, tenantId }, limit, cursor));
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('job:read')
  @ApiOperation({ summary: 'One job' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminJobView })
  @ApiNotFoundResponse({ description: 'job_not_found' })
  async read(@Param('id') id: string): Promise<AdminJobView> {
    return AdminJobView.of(await this.jobs.find(id));
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('job:write')
  @ApiOperation({ summary: 'Run a dead job again', description: 'It gets all its attempts anew.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminJobView })
  @ApiNotFoundResponse({ description: 'job_not_found' })
  @ApiConflictResponse({ description: 'job_state_conflict: it is not dead' })
  async retry(@Param('id') id: string): Promise<AdminJobView> {
    return AdminJobView.of(await this.jobs.retry(id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPlatformPermission('job:write')
  @ApiOperation({ summary: 'Delete a job that is not running' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiNotFoundResponse({ description: 'job_not_found' })
  @ApiConflictResponse({ description: 'job_state_conflict: it is running' })
  async remove(@Param('id') id: string): Promise<void> {
    await this.jobs.remove(id);
  }
}
