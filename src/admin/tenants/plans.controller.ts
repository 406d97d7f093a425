import { Body, Controller, Get, Header, Headers, Param, Patch, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min, ValidateIf } from 'class-validator';
import type { Response } from 'express';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { type PlanRecord, PlanRegistry, PLANS } from '../../tenant/index.js';
import { etagOf, revisionOf } from '../etag.js';

const days = (most: number) => ({ message: `must be a whole number of days from 1 to ${most}` });

export class ChangePlanRequest {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 365, example: 14 })
  @ValidateIf((body: ChangePlanRequest) => body.trial_days !== undefined)
  @IsInt(days(365))
  @Min(1, days(365))
  @Max(365, days(365))
  trial_days?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 3650, nullable: true, description: 'null: never.' })
  @IsOptional()
  @IsInt(days(3650))
  @Min(1, days(3650))
  @Max(3650, days(3650))
  archive_after_days?: number | null;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 3650, nullable: true, description: 'null: never.' })
  @IsOptional()
  @IsInt(days(3650))
  @Min(1, days(3650))
  @Max(3650, days(3650))
  purge_after_days?: number | null;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 365, example: 7 })
  @ValidateIf((body: ChangePlanRequest) => body.roll_back_after_days !== undefined)
  @IsInt(days(365))
  @Min(1, days(365))
  @Max(365, days(365))
  roll_back_after_days?: number;
}

export class PlanView {
  @ApiProperty({ enum: PLANS })
  name: string;

  @ApiProperty({ description: 'How long a trial lasts.' })
  trial_days: number;

  @ApiProperty({ type: Number, nullable: true, description: 'A tenant suspended for longer is archived.' })
  archive_after_days: number | null;

  @ApiProperty({ type: Number, nullable: true, description: 'A tenant archived for longer is erased.' })
  purge_after_days: number | null;

  @ApiProperty({ description: 'A tenant whose provisioning failed longer ago is taken back.' })
  roll_back_after_days: number;

  @ApiProperty({ example: '"r1"' })
  etag: string;

  static of({ revision, name, ...rules }: PlanRecord): PlanView {
    const { trial_days, archive_after_days, purge_after_days, roll_back_after_days } = rules;
    return { name, trial_days, archive_after_days, purge_after_days, roll_back_after_days, etag: etagOf(revision) };
  }
}

export class PlanListView {
  @ApiProperty({ type: [PlanView] })
  items: PlanView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}

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
  @ApiHeader({ name: 'If-Match', required: false, description: 'The ETag last seen; 412 when it is another by now.' })
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
