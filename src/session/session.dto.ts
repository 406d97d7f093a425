import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import {
  CustomFieldsInput,
  CustomFieldsOutput,
  type FieldSchema,
  type FieldValues,
  type GivenFields,
  shownFieldValues,
} from '../fields/index.js';
import { SESSION_IDLE_MS, type SessionState } from './session.service.js';

export class SessionRequest {
  @ApiProperty({ example: 'acme', required: false, description: 'Slug of the tenant, unless named another way.' })
  @IsOptional()
  @IsString({ message: 'must be a string' })
  tenant_id?: string;

  @CustomFieldsInput('As `fields.sessions` of the settings declares them; those that it requires must be given.')
  custom_fields?: GivenFields;
}

export class ChangeSessionRequest {
  @CustomFieldsInput('By name; those left out stay as they are, null takes a value away.')
  custom_fields?: GivenFields;
}

export class SessionTenant {
  @ApiProperty({ example: 'acme' })
  id: string;

  @ApiProperty({ example: 'Acme Corp' })
  name: string;

  @ApiProperty({ example: 'Howdy from Acme!' })
  welcome: string;
}

export class SessionResponse {
  @ApiProperty({ example: 'SESSION_ID', description: "The visitor's credential. Keep it; it is shown once." })
  session_id: string;

  @ApiProperty({ type: SessionTenant })
  tenant: SessionTenant;
}

export class SessionView {
  @ApiProperty({ format: 'uuid', description: 'The name of the session; not a credential.' })
  id: string;

  @ApiProperty({ example: 'acme' })
  tenant_id: string;

  @ApiPropertyOptional({ format: 'uuid', description: "Whose session it is; absent for a visitor's." })
  user_id?: string;

  @CustomFieldsOutput()
  custom_fields: FieldValues;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  last_active_at: string;

  @ApiProperty({ format: 'date-time', description: 'When the session ends if nothing more happens.' })
  expires_at: string;

  /** @param schema of the tenant's fields; without it every value that is stored is shown */
  static of(session: SessionState, tenantSlug: string, schema?: FieldSchema): SessionView {
    return {
      id: session.id,
      tenant_id: tenantSlug,
      ...(session.userId !== null && { user_id: session.userId }),
      custom_fields: schema ? shownFieldValues(schema, session.customFields) : session.customFields,
      created_at: session.createdAt.toISOString(),
      last_active_at: session.lastActiveAt.toISOString(),
      expires_at: new Date(session.lastActiveAt.getTime() + SESSION_IDLE_MS).toISOString(),
    };
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class SessionListQuery {
  @ApiPropertyOptional({ format: 'uuid', description: "Another user's sessions; needs session:read-any." })
  @IsOptional()
  @Matches(UUID, { message: 'must be a UUID' })
  user_id?: string;

  @ApiPropertyOptional({ enum: ['true'], description: "Everybody's, visitors' included; needs session:read-any." })
  @IsOptional()
  @IsIn(['true'], { message: 'must be true' })
  all?: 'true';

  @ApiPropertyOptional({ schema: { type: 'integer', minimum: 1, maximum: 100, default: 50 } } as never)
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;

  @ApiPropertyOptional({ description: 'next_cursor of a page.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  cursor?: string;
}

export class SessionPage {
  @ApiProperty({ type: [SessionView] })
  items: SessionView[];

  @ApiProperty({ type: String, nullable: true, description: 'Pass as `cursor` for the next page; null at the end.' })
  next_cursor: string | null;
}
