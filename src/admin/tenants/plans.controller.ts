import { Body, Controller, Get, Header, Headers, Param, Patch, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { revisionOf } from '../../common/index.js';
import { ApiIfMatch } from '../../http/index.js';
import { PlanRegistry, PLANS } from '../../tenant/index.js';
import { ChangePlanRequest, PlanListView, PlanView } from './plan.dto.js';

@ApiTags('plans')
@ApiBearerAuth('bearer')
@Controller('api/admin/plans')
export class PlansController {
  constructor(private readonly plans: PlanRegistry) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'The plans, and what they say of the life of their tenants' })
  @ApiOkResponse({ type: PlanListView })
  async list(): Promise<PlanListView> {
    return { items: (await this.plans.list()).map((plan) => PlanView.of(plan)), next_cursor: null };
  }

  @Patch(':plan')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('plan:write')
  @ApiOperation({ summary: 'Change the rules of a plan', description: 'In force from the next run of the rules on.' })
  @ApiParam({ name: 'plan', enum: PLANS, schema: { type: 'string', example: 'free' } })
  @ApiIfMatch()
  @ApiOkResponse({ type: PlanView })
  async change(
    @Param('plan') name: string,
    @Body() body: ChangePlanRequest,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PlanView> {
    const plan = PlanView.of(await this.plans.edit(name, body, revisionOf(ifMatch)));
    response.setHeader('ETag', plan.etag);
    return plan;
  }
}
