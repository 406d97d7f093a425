import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import type { Page } from '../../common/index.js';
import {
  CustomFieldsInput,
  CustomFieldsOutput,
  type FieldSchema,
  type FieldValues,
  type GivenFields,
  shownFieldValues,
} from '../../fields/index.js';
import type { User } from './user.entity.js';
import { IsEmailAddress, IsPersonName, IsRoleName } from './user.rules.js';

const STATUSES = ['active', 'disabled'] as const;
const KNOWN_STATUS = { message: `must be one of ${STATUSES.join(', ')}` };

export class CreateUserRequest {
  @ApiProperty({ example: 'jo@acme.example', format: 'email' })
  @IsEmailAddress()
  email: string;

  @ApiProperty({ example: 'Jo Doe', maxLength: 100 })
  @IsPersonName()
  name: string;

  @ApiProperty({ example: 'member', description: 'Built in or of the tenant; holds nothing that the caller lacks.' })
  @IsRoleName()
  role: string;

  @CustomFieldsInput('As `fields.users` of the settings declares them; those that it requires must be given.')
  custom_fields?: GivenFields;
}

export class ChangeUserRequest {
  @ApiPropertyOptional({ example: 'Jo Roe', maxLength: 100 })
  @IsOptional()
  @IsPersonName()
  name?: string;

  @ApiPropertyOptional({ example: 'viewer' })
  @IsOptional()
  @IsRoleName()
  role?: string;

  @ApiPropertyOptional({ enum: STATUSES, description: 'disabled signs the user out everywhere.' })
  @IsOptional()
  @IsIn(STATUSES, KNOWN_STATUS)
  status?: User['status'];

  @ApiPropertyOptional({
    example: 'jo.roe@acme.example',
    format: 'email',
    description:
      'Waits as pending_email until it is verified by a link sent to it; the present address is told. Given again, the ' +
      'present address withdraws it.',
  })
  @IsOptional()
  @IsEmailAddress()
  email?: string;

  @CustomFieldsInput('By name; those left out stay as they are, null takes a value away.')
  custom_fields?: GivenFields;
}

export class UserListQuery {
  @ApiPropertyOptional({ description: 'A part of the name or the e-mail address, in any case.', maxLength: 100 })
  @IsOptional()
  @Matches(/^[^\0]{1,100}$/, { message: 'must be a text of 1 to 100 characters' })
  q?: string;

  @ApiPropertyOptional({ example: 'member' })
  @IsOptional()
  @IsRoleName()
  role?: string;

  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES, KNOWN_STATUS)
  status?: User['status'];

  @ApiPropertyOptional()
  @IsOptional()
  @IsString({ message: 'must be a text' })
  cursor?: string;

  @ApiPropertyOptional({ schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } } as never)
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;
}

export class UserView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'jo@acme.example' })
  email: string;

  @ApiProperty({ example: 'Jo Doe' })
  name: string;

  @ApiProperty({ example: 'member' })
  role: string;

  @ApiProperty({ enum: STATUSES })
  status: User['status'];

  @ApiProperty({ type: String, nullable: true, description: 'Takes the place of `email` once it is verified.' })
  pending_email: string | null;

  @ApiProperty({ description: 'Whether the person has shown that the address is theirs.' })
  email_verified: boolean;

  @ApiProperty({ description: 'Whether a second factor is in force.' })
  mfa_enabled: boolean;

  @CustomFieldsOutput()
  custom_fields: FieldValues;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  last_sign_in_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;

  /** @param schema of the tenant's fields */
  static of(user: User, schema: FieldSchema): UserView {
    const { id, email, name, role, status } = user;
    return {
      id,
      email,
      name,
      role,
      status,
      pending_email: user.pendingEmail,
      email_verified: user.emailVerifiedAt !== null,
      mfa_enabled: user.mfaEnabledAt !== null,
      custom_fields: shownFieldValues(schema, user.customFields),
      last_sign_in_at: user.lastSignInAt?.toISOString() ?? null,
      created_at: user.createdAt.toISOString(),
      updated_at: user.updatedAt.toISOString(),
    };
  }
}

export class UserPage {
  @ApiProperty({ type: [UserView] })
  items: UserView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<User>, schema: FieldSchema): UserPage {
    return { items: items.map((user) => UserView.of(user, schema)), next_cursor };
  }
}
