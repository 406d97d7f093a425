import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { ApiNamedTenant } from '../../http/index.js';
import { RetirementStore, type ScheduledAct, TenantStore } from '../../tenant/index.js';

const ACTS = {
  suspend: 'suspend',
  archive: 'archive',
  schedule: 'schedule-deletion',
  purge: 'purge',
  'roll-back': 'roll-back',
} as const;

export class ScheduledActView {
  @ApiProperty({ enum: Object.values(ACTS) })
  act: string;

  @ApiProperty({ format: 'date-time', description: 'At the earliest: it waits until the owners were told in time.' })
  at: string;

  @ApiProperty({ type: [Number], example: [7, 1], description: 'Days before on which the owners are told.' })
  notices: number[];

  @ApiProperty({ type: [Number], example: [7], description: 'Those of them that are out.' })
  sent: number[];

  static of({ act, at, notices, sent }: ScheduledAct): ScheduledActView {
    return { act: ACTS[act], at: at.toISOString(), notices: [...notices], sent };
  }
}

export class ScheduleView {
  @ApiProperty({ type: [ScheduledActView] })
  items: ScheduledActView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}

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
