import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsEmail, IsIn, IsOptional, Length, Matches, MaxLength } from 'class-validator';
import type { PlatformAdmin } from './platform-admin.store.js';
import { PLATFORM_ROLES, type PlatformRole } from './platform-permissions.js';

const ROLES = Object.keys(PLATFORM_ROLES) as PlatformRole[];
const STATUSES = ['active', 'disabled'] as const;
const ROLE = { message: `must be one of ${ROLES.join(', ')}` };
const REASON = { message: 'must be a text of 10 to 500 characters' };
/** A name stands in lists, mails and tokens. */
const NAME = /^(?=.*\S)[^\p{Cc}]{1,100}$/u;
const NAME_RULE = { message: 'must be a text of 1 to 100 characters without line breaks' };

export class CreateAdminRequest {
  @ApiProperty({ example: 'sam@example.com' })
  @IsEmail({ require_tld: false }, { message: 'must be an e-mail address' })
  @MaxLength(254, { message: 'must be at most 254 characters' })
  email: string;

  @ApiProperty({ example: 'Sam Support' })
  @Matches(NAME, NAME_RULE)
  name: string;

  @ApiProperty({ enum: ROLES, example: 'support' })
  @IsIn(ROLES, ROLE)
  role: PlatformRole;
}

export class ChangeAdminRequest {
  @ApiPropertyOptional({ example: 'Sam Support' })
  @IsOptional()
  @Matches(NAME, NAME_RULE)
  name?: string;

  @ApiPropertyOptional({ enum: ROLES })
  @IsOptional()
  @IsIn(ROLES, ROLE)
  role?: PlatformRole;

  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES, { message: `must be one of ${STATUSES.join(', ')}` })
  status?: (typeof STATUSES)[number];
}

export class ResetSecondFactorRequest {
  @ApiProperty({
    minLength: 10,
    maxLength: 500,
    example: 'Lost the phone; recognised in a call',
    description: 'Kept in the audit log.',
  })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @Matches(/^[^\0]*$/, REASON)
  @Length(10, 500, REASON)
  reason: string;
}

export class AdminView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'sam@example.com' })
  email: string;

  @ApiProperty({ example: 'Sam Support' })
  name: string;

  @ApiProperty({ enum: ROLES })
  role: PlatformRole;

  @ApiProperty({ enum: STATUSES })
  status: string;

  @ApiProperty()
  mfa_enabled: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  last_sign_in_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of(admin: PlatformAdmin): AdminView {
    const { id, email, name, role, status } = admin;
    return {
      id,
      email,
      name,
      role,
      status,
      mfa_enabled: admin.mfa_enabled_at !== null,
      last_sign_in_at: admin.last_sign_in_at?.toISOString() ?? null,
      created_at: admin.created_at.toISOString(),
    };
  }
}

export class CreatedAdmin extends AdminView {
  @ApiProperty({ description: 'Shown this once; to be changed at the first sign-in.' })
  one_time_password: string;
}

export class AdminPage {
  @ApiProperty({ type: [AdminView] })
  items: AdminView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
