import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsUrl,
  Matches,
  Max,
  Min,
  ValidateIf,
} from 'class-validator';
import { DEFAULT_SERVER } from '../../tenancy/index.js';
import { PLANS, type ServerRecord } from '../../tenant/index.js';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const NAME_RULE = { message: 'must be 1 to 40 small letters, digits and hyphens, and begin with a letter' };
const REGION_RULE = { message: 'must be 1 to 40 letters, digits and hyphens' };
const WEIGHT_RULE = { message: 'must be an integer from 0 to 10000' };
const PLANS_RULE = { message: `must be a list of some of ${PLANS.join(', ')}, or null` };
const URL_RULE = { message: 'must be a postgres:// or postgresql:// URL' };
const IS_URL = { protocols: ['postgres', 'postgresql'], require_tld: false, require_protocol: true };

export class ChangeServerRequest {
  @ApiPropertyOptional({ type: String, nullable: true, example: 'eu' })
  @IsOptional()
  @Matches(/^[a-zA-Z0-9-]{1,40}$/, REGION_RULE)
  region?: string | null;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 10_000,
    example: 100,
    description: 'Its share of new tenants among the servers that take them; 0 takes none but those that name it.',
  })
  @ValidateIf((body: ChangeServerRequest) => body.weight !== undefined)
  @IsInt(WEIGHT_RULE)
  @Min(0, WEIGHT_RULE)
  @Max(10_000, WEIGHT_RULE)
  weight?: number;

  @ApiPropertyOptional({ enum: PLANS, isArray: true, nullable: true, description: 'Takes only these; null takes all.' })
  @IsOptional()
  @IsArray(PLANS_RULE)
  @ArrayNotEmpty(PLANS_RULE)
  @ArrayMaxSize(PLANS.length, PLANS_RULE)
  @IsIn(PLANS, { ...PLANS_RULE, each: true })
  plans?: string[] | null;
}

export class AddServerRequest extends ChangeServerRequest {
  @ApiProperty({ example: 'eu-2', description: 'For good: placements name it.' })
  @Matches(NAME, NAME_RULE)
  name: string;

  @ApiProperty({
    example: 'postgres://postgres:secret@db-2.internal:5432/tenantry',
    description: 'An empty database, by a user who may create roles, and databases if tenants are to have them.',
  })
  @IsUrl(IS_URL, URL_RULE)
  url: string;

  @ApiPropertyOptional({ description: 'The same past a transaction-mode pooler.' })
  @IsOptional()
  @IsUrl(IS_URL, URL_RULE)
  direct_url?: string;
}

export class ServerView {
  @ApiProperty({ example: DEFAULT_SERVER })
  name: string;

  @ApiProperty({ type: String, nullable: true })
  region: string | null;

  @ApiProperty()
  weight: number;

  @ApiProperty({ enum: PLANS, isArray: true, nullable: true })
  plans: string[] | null;

  @ApiProperty({ description: 'Tenants that live there.' })
  tenants: number;

  @ApiProperty({ description: 'Schemas and databases of tenants there, those kept ready included.' })
  places: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of({ created_at: createdAt, ...server }: ServerRecord): ServerView {
    return { ...server, created_at: createdAt.toISOString() };
  }
}

export class ServerListView {
  @ApiProperty({ type: [ServerView] })
  items: ServerView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}
