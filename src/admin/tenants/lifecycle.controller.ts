import { applyDecorators, Body, Controller, Delete, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { ApiNamedTenant } from '../../http/index.js';
import { TenantLifecycle } from '../../tenant/index.js';
import { SuspendRequest } from './tenant-request.dto.js';
import { TenantView } from './tenant-view.dto.js';

/** A change of status: who may, and what the documentation says of it. */
const Transition = (summary: string, description = '') =>
  applyDecorators(
    HttpCode(200),
    Header('Cache-Control', 'no-store'),
    RequiresPlatformPermission('tenant:write'),
    ApiOperation({ summary, description }),
    ApiNamedTenant('initech'),
    ApiOkResponse({ type: TenantView }),
  );

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant')
export class LifecycleController {
  constructor(private readonly lifecycle: TenantLifecycle) {}

  @Post('suspend')
  @Transition(
    'Suspend a tenant',
    'In force on every process within a second; its data stays. A sandbox that is being reset stays suspended after that.',
  )
  async suspend(@Param('tenant') name: string, @Body() { reason }: SuspendRequest): Promise<TenantView> {
    return TenantView.of(await this.lifecycle.apply(name, 'suspend', { reason: reason.trim() }));
  }

  @Post('resume')
  @Transition(
    'Put a suspended tenant back into service',
    '409 `tenant_resetting` or `tenant_reset_failed` for a sandbox that has only part of its data.',
  )
  async resume(@Param('tenant') name: string): Promise<TenantView> {
    return TenantView.of(await this.lifecycle.apply(name, 'resume'));
  }

  @Post('archive')
  @Transition('Archive a tenant', 'To everybody else it is as if it had never been; its data stays.')
  async archive(@Param('tenant') name: string): Promise<TenantView> {
    return TenantView.of(await this.lifecycle.apply(name, 'archive'));
  }

  @Post('restore')
  @Transition('Restore an archived tenant', 'It is suspended then. A deletion that was asked for is called off.')
  async restore(@Param('tenant') name: string): Promise<TenantView> {
    return TenantView.of(await this.lifecycle.apply(name, 'restore'));
  }

  @Delete()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:delete')
  @ApiOperation({
    summary: 'Delete an archived tenant',
    description: 'Its data is erased after TENANT_DELETION_GRACE_DAYS; restoring it until then calls that off.',
  })
  @ApiNamedTenant('initech')
  @ApiQuery({ name: 'confirm', description: 'The slug, typed again.', schema: { type: 'string', example: 'initech' } })
  async remove(@Param('tenant') name: string, @Query('confirm') confirm?: string): Promise<TenantView> {
    return TenantView.of(await this.lifecycle.scheduleDeletion(name, confirm));
  }
}
