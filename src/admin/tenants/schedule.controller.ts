import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { ApiNamedTenant } from '../../http/index.js';
import { RetirementStore, TenantStore } from '../../tenant/index.js';
import { ScheduledActView, ScheduleView } from './schedule.dto.js';

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants/:tenant/schedule')
export class ScheduleController {
  constructor(
    private readonly tenants: TenantStore,
    private readonly retirement: RetirementStore,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'What the rules of its plan will do to a tenant, as it stands now' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: ScheduleView })
  async read(@Param('tenant') name: string): Promise<ScheduleView> {
    const { id } = await this.tenants.find(name);
    const acts = await this.retirement.scheduleOf(id);
    return { items: acts.map((act) => ScheduledActView.of(act)), next_cursor: null };
  }
}
