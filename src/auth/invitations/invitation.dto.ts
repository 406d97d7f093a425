import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import type { Page } from '../../common/index.js';
import { IsEmailAddress, IsPersonName, IsRoleName } from '../users/user.rules.js';
import type { Invitation } from './invitation.entity.js';
import { INVITATION_STATUSES, type InvitationStatus, statusOf } from './invitation.status.js';

const TEXT = { message: 'must be a text' };

export class InviteRequest {
  @ApiProperty({ example: 'jo@acme.example', format: 'email' })
  @IsEmailAddress()
  email: string;

  @ApiProperty({ example: 'member', description: 'Built in or of the tenant; holds nothing that the caller lacks.' })
  @IsRoleName()
  role: string;
}

export class AcceptInvitationRequest {
  @ApiProperty({ description: 'From the link in the mail.' })
  @IsString(TEXT)
  @MaxLength(200, { message: 'must be at most 200 characters' })
  token: string;

  @ApiProperty({ example: 'Jo Doe', maxLength: 100 })
  @IsPersonName()
  name: string;

  @ApiProperty({ example: 'seven blue ladders', format: 'password' })
  @IsString(TEXT)
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(1024, { message: 'must be at most 1,024 characters' })
  password: string;

  @ApiPropertyOptional({ default: false, description: 'For a browser, as with POST /api/auth/login.' })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

export class InvitationListQuery {
  @ApiPropertyOptional({ enum: INVITATION_STATUSES })
  @IsOptional()
  @IsIn(INVITATION_STATUSES, { message: `must be one of ${INVITATION_STATUSES.join(', ')}` })
  status?: InvitationStatus;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString(TEXT)
  cursor?: string;

  @ApiPropertyOptional({ schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } } as never)
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;
}

export class InvitationView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'jo@acme.example' })
  email: string;

  @ApiProperty({ example: 'member' })
  role: string;

  @ApiProperty({ enum: INVITATION_STATUSES })
  status: InvitationStatus;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The user or API key that sent it last.' })
  invited_by: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  sent_at: string;

  @ApiProperty({ format: 'date-time' })
  expires_at: string;

  static of(invitation: Invitation): InvitationView {
    const { id, email, role, invitedBy, createdAt, sentAt, expiresAt } = invitation;
    return {
      id,
      email,
      role,
      status: statusOf(invitation),
      invited_by: invitedBy,
      created_at: createdAt.toISOString(),
      sent_at: sentAt.toISOString(),
      expires_at: expiresAt.toISOString(),
    };
  }
}

export class InvitationPage {
  @ApiProperty({ type: [InvitationView] })
  items: InvitationView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<Invitation>): InvitationPage {
    return { items: items.map((invitation) => InvitationView.of(invitation)), next_cursor };
  }
}
