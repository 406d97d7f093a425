import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import type { TenantStatus } from '../../tenancy/index.js';
import { type Plan, PLANS, TENANT_KINDS, TENANT_STATUSES, type TenantKind } from '../../tenant/index.js';
import { TenantView } from './tenant-view.dto.js';

/** A query parameter may name one value or several, separated by commas. */
const listed = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' ? [...new Set(value.split(','))] : value;
const oneOrMore = (values: readonly string[]) => ({
  each: true,
  message: `must be one or more of ${values.join(', ')}, separated by commas`,
});

export class TenantListQuery {
  @ApiPropertyOptional({
    type: String,
    description: `One or more of ${TENANT_STATUSES.join(', ')}, separated by commas.`,
  })
  @IsOptional()
  @Transform(listed)
  @IsIn(TENANT_STATUSES, oneOrMore(TENANT_STATUSES))
  status?: TenantStatus[];

  @ApiPropertyOptional({ type: String, description: `One or more of ${PLANS.join(', ')}, separated by commas.` })
  @IsOptional()
  @Transform(listed)
  @IsIn(PLANS, oneOrMore(PLANS))
  plan?: Plan[];

  @ApiPropertyOptional({ type: String, description: `One or more of ${TENANT_KINDS.join(', ')}, separated by commas.` })
  @IsOptional()
  @Transform(listed)
  @IsIn(TENANT_KINDS, oneOrMore(TENANT_KINDS))
  kind?: TenantKind[];

  @ApiPropertyOptional({ description: 'Beginnings of words of slug or name.', maxLength: 100 })
  @IsOptional()
  @Matches(/^[^\0]{1,100}$/, { message: 'must be a text of 1 to 100 characters' })
  q?: string;

  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', description: 'Whether to count all that match.' })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'must be one of true, false' })
  total?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  limit?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  cursor?: string;
}

export class TenantPageView {
  @ApiProperty({ type: [TenantView] })
  items: TenantView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  @ApiPropertyOptional({ description: 'With total=true.' })
  total?: number;
}
