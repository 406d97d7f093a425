import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { type Plan, PLANS } from '../../tenant/index.js';
import type { SignupInvite } from './signup-invites.js';

const DAYS = { message: 'must be a whole number of days from 1 to 365' };

export class InviteBody {
  @ApiPropertyOptional({ enum: PLANS, description: 'What is signed up for; left out: one of SIGNUP_PLAN.' })
  @IsOptional()
  @IsIn(PLANS, { message: `must be one of ${PLANS.join(', ')}` })
  plan?: Plan;

  @ApiPropertyOptional({ example: 'For Umbrella Ltd', maxLength: 200, description: 'For the admins.' })
  @IsOptional()
  @Matches(/^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u, { message: 'must be a text of 1 to 200 characters in one line' })
  note?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 365, default: 30, description: 'How long it is good.' })
  @IsOptional()
  @IsInt(DAYS)
  @Min(1, DAYS)
  @Max(365, DAYS)
  days?: number;
}

export class InviteListQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  limit?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  cursor?: string;
}

export class SignupInviteView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: String, enum: PLANS, nullable: true })
  plan: string | null;

  @ApiProperty({ type: String, nullable: true })
  note: string | null;

  @ApiProperty({ format: 'uuid', description: 'The admin who made it.' })
  created_by: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  expires_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When its tenant was made.' })
  used_at: string | null;

  static of(invite: SignupInvite): SignupInviteView {
    const { id, plan, note, created_by } = invite;
    return {
      id,
      plan,
      note,
      created_by,
      created_at: invite.created_at.toISOString(),
      expires_at: invite.expires_at.toISOString(),
      used_at: invite.used_at?.toISOString() ?? null,
    };
  }
}

export class CreatedSignupInvite extends SignupInviteView {
  @ApiProperty({ description: 'Shown only now. Good for one tenant.' })
  code: string;
}

export class SignupInvitePage {
  @ApiProperty({ type: [SignupInviteView] })
  items: SignupInviteView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
