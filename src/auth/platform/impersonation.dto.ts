import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { IMPERSONATION_SECONDS } from '../tokens/token.claims.js';
import { IMPERSONATION_STATES, type ImpersonationRow, type ImpersonationState } from './impersonation.store.js';

const MAX_MINUTES = IMPERSONATION_SECONDS / 60;
const REASON = { message: 'must be a text of 10 to 500 characters' };
const MINUTES = { message: `must be an integer from 1 to ${MAX_MINUTES}` };

export class ImpersonationRequest {
  @ApiProperty({ example: 'acme', description: 'Slug of the tenant.' })
  @Matches(/^[^\p{Cc}]{1,63}$/u, { message: 'must be the slug of a tenant' })
  tenant: string;

  @ApiProperty({ format: 'uuid', description: 'The user to act as.' })
  @IsString({ message: 'must be a text' })
  @MaxLength(36, { message: 'must be a UUID' })
  user_id: string;

  @ApiProperty({
    minLength: 10,
    maxLength: 500,
    example: 'Ticket 4711: exports of last week are empty',
    description: "Read by the tenant's admins and kept in both audit logs.",
  })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @Matches(/^[^\0]*$/, REASON)
  @Length(10, 500, REASON)
  reason: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_MINUTES, default: MAX_MINUTES })
  @IsOptional()
  @IsInt(MINUTES)
  @Min(1, MINUTES)
  @Max(MAX_MINUTES, MINUTES)
  minutes?: number;

  static minutesOf({ minutes }: ImpersonationRequest): number {
    return minutes ?? MAX_MINUTES;
  }
}

/** What the tenant sees of it. */
export class SupportView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: IMPERSONATION_STATES, description: '`pending` waits for the consent of the tenant.' })
  status: ImpersonationState;

  @ApiProperty({ format: 'uuid', description: 'The platform admin.' })
  admin_id: string;

  @ApiProperty({ example: 'Sam Support' })
  admin_name: string;

  @ApiProperty({ format: 'uuid', description: 'Whom they act as.' })
  user_id: string;

  @ApiProperty()
  reason: string;

  @ApiProperty({ type: 'integer', description: 'How long it lasts once it has started.' })
  minutes: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  started_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expires_at: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The user who agreed or refused.' })
  decided_by: string | null;

  static of(row: ImpersonationRow): SupportView {
    const { id, status, admin_id, admin_name, user_id, reason, minutes, decided_by } = row;
    return {
      id,
      status,
      admin_id,
      admin_name,
      user_id,
      reason,
      minutes,
      created_at: row.created_at.toISOString(),
      started_at: row.started_at?.toISOString() ?? null,
      expires_at: row.expires_at?.toISOString() ?? null,
      decided_by,
    };
  }
}

export class SupportPage {
  @ApiProperty({ type: [SupportView] })
  items: SupportView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}

export class ImpersonationView extends SupportView {
  @ApiProperty({ example: 'acme' })
  tenant: string;

  static override of(row: ImpersonationRow): ImpersonationView {
    return { ...SupportView.of(row), tenant: row.tenant };
  }
}

export class ImpersonationPage {
  @ApiProperty({ type: [ImpersonationView] })
  items: ImpersonationView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}

export class ImpersonationToken {
  @ApiProperty({ description: 'Of the user, on the address of their tenant. It cannot be refreshed.' })
  access_token: string;

  @ApiProperty({ example: 'Bearer' })
  token_type: 'Bearer';

  @ApiProperty({ type: 'integer', example: 1800, description: 'Seconds that are left.' })
  expires_in: number;

  static of({ accessToken, expiresIn }: { accessToken: string; expiresIn: number }): ImpersonationToken {
    return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn };
  }
}

export class StartedImpersonation extends ImpersonationView {
  @ApiPropertyOptional({ description: 'Absent while the tenant has not agreed.' })
  access_token?: string;

  @ApiPropertyOptional({ example: 'Bearer' })
  token_type?: 'Bearer';

  @ApiPropertyOptional({ type: 'integer', example: 1800 })
  expires_in?: number;
}
