import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min, ValidateIf } from 'class-validator';
import { etagOf } from '../../common/index.js';
import { type PlanRecord, PLANS } from '../../tenant/index.js';

const days = (most: number) => ({ message: `must be a whole number of days from 1 to ${most}` });

const upTo = (most: number) => ({ message: `must be a whole number from 0 to ${most}` });

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

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 1000, example: 2 })
  @ValidateIf((body: ChangePlanRequest) => body.reserved_connections !== undefined)
  @IsInt(upTo(1000))
  @Min(0, upTo(1000))
  @Max(1000, upTo(1000))
  reserved_connections?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 100, example: 1 })
  @ValidateIf((body: ChangePlanRequest) => body.reserved_workers !== undefined)
  @IsInt(upTo(100))
  @Min(0, upTo(100))
  @Max(100, upTo(100))
  reserved_workers?: number;
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

  @ApiProperty({ description: 'Database connections that each process keeps for tenants of the plan.' })
  reserved_connections: number;

  @ApiProperty({
    description:
      'Of the events, and of the jobs of each name, that a process works at once: kept for tenants of the plan.',
  })
  reserved_workers: number;

  @ApiProperty({ example: '"r1"' })
  etag: string;

  static of({ revision, name, ...rules }: PlanRecord): PlanView {
    return { name, ...rules, etag: etagOf(revision) };
  }
}

export class PlanListView {
  @ApiProperty({ type: [PlanView] })
  items: PlanView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}
