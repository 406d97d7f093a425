import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsDefined,
  IsEmail,
  IsIn,
  IsInt,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { DEFAULT_SERVER, type Isolation, ISOLATIONS } from '../../tenancy/index.js';
import { type Plan, PLANS, TENANT_KINDS, type TenantKind } from '../../tenant/index.js';
import { SETTINGS_EXAMPLE } from './tenant-view.dto.js';

/** Of the copy of a template, unless said otherwise. */
export const COPY_LIFETIME_DAYS = 14;
/** One line of text that is no longer than a name. */
const NAME = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u;
const NAME_RULE = { message: 'must be a text of 1 to 200 characters without line breaks' };
const REASON = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,500}$/u;
const SERVER = /^[a-z][a-z0-9-]{0,39}$/;
const SERVER_RULE = { message: 'must be the name of a server' };
export const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
export const WHEN_RULE = { message: 'must be a date and time with its zone, as of RFC 3339, or null' };

const oneOf = (values: readonly string[]) => ({ message: `must be one of ${values.join(', ')}` });

export class OwnerRequest {
  @ApiProperty({ example: 'ada@umbrella.example', format: 'email' })
  @MaxLength(254, { message: 'must be at most 254 characters' })
  @IsEmail({ require_tld: false }, { message: 'must be an e-mail address' })
  email: string;

  @ApiPropertyOptional({ example: 'Ada Owner', maxLength: 200 })
  @IsOptional()
  @Matches(NAME, NAME_RULE)
  name?: string;
}

export class CreateTenantRequest {
  @ApiProperty({ example: 'umbrella', description: 'A DNS label, for good: slugs are never given out again.' })
  @IsString({ message: 'must be a DNS label' })
  slug: string;

  @ApiProperty({ example: 'Umbrella Ltd', maxLength: 200 })
  @Matches(NAME, NAME_RULE)
  name: string;

  @ApiPropertyOptional({ enum: PLANS, default: 'free' })
  @IsOptional()
  @IsIn(PLANS, oneOf(PLANS))
  plan?: Plan;

  @ApiPropertyOptional({ enum: TENANT_KINDS, default: 'production', description: 'A trial ends by itself.' })
  @IsOptional()
  @IsIn(TENANT_KINDS, oneOf(TENANT_KINDS))
  kind?: TenantKind;

  @ApiPropertyOptional({ enum: ISOLATIONS, default: 'shared', description: 'How its rows are kept apart from others.' })
  @IsOptional()
  @IsIn(ISOLATIONS, oneOf(ISOLATIONS))
  isolation?: Isolation;

  @ApiPropertyOptional({
    default: false,
    description: 'Whether a login role of its own enters its schema, and nothing else; a database always has one.',
  })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  login?: boolean;

  @ApiPropertyOptional({ example: DEFAULT_SERVER, description: 'Where its data is to be; chosen when left out.' })
  @IsOptional()
  @Matches(SERVER, SERVER_RULE)
  server?: string;

  @ApiPropertyOptional({ example: 'eu', description: 'Of the server, when none is named.' })
  @IsOptional()
  @IsString({ message: 'must be the name of a region' })
  @MaxLength(40, { message: 'must be the name of a region' })
  region?: string;

  @ApiPropertyOptional({ description: 'Slug of a template to copy; for the kinds sandbox and training.' })
  @IsOptional()
  @IsString({ message: 'must be the slug of a template' })
  template?: string;

  @ApiPropertyOptional({ default: false, description: "Whether the template's data is copied too." })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  with_data?: boolean;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: 365,
    default: COPY_LIFETIME_DAYS,
    description: 'Of the copy of a template, after which it ends by itself.',
  })
  @IsOptional()
  @IsInt({ message: 'must be an integer from 1 to 365' })
  @Min(1, { message: 'must be an integer from 1 to 365' })
  @Max(365, { message: 'must be an integer from 1 to 365' })
  lifetime_days?: number;

  @ApiProperty({ type: OwnerRequest, description: 'Gets an invitation by mail.' })
  @IsDefined({ message: 'must be an object with the e-mail address of the owner' })
  @IsObject({ message: 'must be an object with the e-mail address of the owner' })
  @ValidateNested()
  @Type(() => OwnerRequest)
  owner: OwnerRequest;

  @ApiPropertyOptional({ type: Object, example: SETTINGS_EXAMPLE, description: 'Flat, with dotted keys.' })
  @IsOptional()
  @IsObject({ message: 'must be an object with dotted keys' })
  settings?: Record<string, unknown>;
}

export class ChangeTenantRequest {
  @ApiPropertyOptional({ example: 'umbrella-group', description: 'The old one leads to it for SLUG_REDIRECT_DAYS.' })
  @IsOptional()
  @IsString({ message: 'must be a DNS label' })
  slug?: string;

  @ApiPropertyOptional({ example: 'Umbrella Group', maxLength: 200 })
  @IsOptional()
  @Matches(NAME, NAME_RULE)
  name?: string;

  @ApiPropertyOptional({ enum: PLANS })
  @IsOptional()
  @IsIn(PLANS, oneOf(PLANS))
  plan?: Plan;

  @ApiPropertyOptional({ enum: TENANT_KINDS })
  @IsOptional()
  @IsIn(TENANT_KINDS, oneOf(TENANT_KINDS))
  kind?: TenantKind;

  @ApiPropertyOptional({
    type: Object,
    example: { 'limits.chat_per_10s': null },
    description: 'Those that are named change; null goes back to the default.',
  })
  @IsOptional()
  @IsObject({ message: 'must be an object with dotted keys' })
  settings?: Record<string, unknown>;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'null: does not end.',
  })
  @ValidateIf((body: ChangeTenantRequest) => body.expires_at !== undefined && body.expires_at !== null)
  @Matches(INSTANT, WHEN_RULE)
  @IsISO8601({ strict: true, strictSeparator: true }, WHEN_RULE)
  expires_at?: string | null;
}

export class SuspendRequest {
  @ApiProperty({ example: 'The invoice of October is open.', description: 'Everybody who meets the tenant reads it.' })
  @Matches(REASON, { message: 'must be a text of 1 to 500 characters without line breaks' })
  reason: string;
}
