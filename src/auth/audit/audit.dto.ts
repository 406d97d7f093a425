import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional, IsString, Matches } from 'class-validator';
import { type AuditEventJson, auditEventJson, type AuditFilter, type TenantAuditEvent } from '../../audit/index.js';
import { ACTOR_KINDS, type ActorKind } from '../../tenancy/index.js';

const FORMATS = ['json', 'csv', 'jsonl'] as const;
export type AuditFormat = (typeof FORMATS)[number];

const TEXT = 'must be a text of 1 to 300 characters';
/** PostgreSQL takes no NUL. */
const STORABLE = /^[^\0]{1,300}$/;
const TIME = 'must be an ISO 8601 date, or a date and time with its offset';
/** A date, or a time with an offset: without one it would mean another instant on another machine. */
const TIME_WITH_OFFSET = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2}))?$/;

const OptionalText = (): PropertyDecorator => (target, name) => {
  for (const decorate of [IsOptional(), Matches(STORABLE, { message: TEXT })]) decorate(target, name);
};
const OptionalTime = (): PropertyDecorator => (target, name) => {
  const iso = IsISO8601({ strict: true }, { message: TIME });
  for (const decorate of [IsOptional(), iso, Matches(TIME_WITH_OFFSET, { message: TIME })]) decorate(target, name);
};

export class AuditListQuery {
  @ApiPropertyOptional({ example: 'user.', description: 'An event, or the beginning of one.' })
  @OptionalText()
  event?: string;

  @ApiPropertyOptional({ enum: ACTOR_KINDS })
  @IsOptional()
  @IsIn(ACTOR_KINDS, { message: `must be one of ${ACTOR_KINDS.join(', ')}` })
  actor_kind?: ActorKind;

  @ApiPropertyOptional()
  @OptionalText()
  actor_id?: string;

  @ApiPropertyOptional({ example: 'user' })
  @OptionalText()
  target_kind?: string;

  @ApiPropertyOptional()
  @OptionalText()
  target_id?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Inclusive. A date alone is midnight UTC.' })
  @OptionalTime()
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Exclusive. A date alone is midnight UTC.' })
  @OptionalTime()
  to?: string;

  @ApiPropertyOptional()
  @OptionalText()
  cursor?: string;

  @ApiPropertyOptional({ schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } } as never)
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;

  @ApiPropertyOptional({ enum: FORMATS, description: 'csv and jsonl hold everything that matches; default by Accept.' })
  @IsOptional()
  @IsIn(FORMATS, { message: `must be one of ${FORMATS.join(', ')}` })
  format?: AuditFormat;

  static filter(query: AuditListQuery): AuditFilter {
    return {
      event: query.event,
      actorKind: query.actor_kind,
      actorId: query.actor_id,
      targetKind: query.target_kind,
      targetId: query.target_id,
      from: query.from === undefined ? undefined : new Date(query.from),
      to: query.to === undefined ? undefined : new Date(query.to),
    };
  }
}

const ANY_JSON = { nullable: true, description: 'Any JSON; secrets removed.' };

export class AuditEventView implements AuditEventJson {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'date-time' })
  occurred_at: string;

  @ApiProperty({ example: 'user.created' })
  event: string;

  @ApiProperty({ enum: ACTOR_KINDS })
  actor_kind: string;

  @ApiProperty({ type: String, nullable: true })
  actor_id: string | null;

  @ApiProperty({ type: String, nullable: true })
  actor_name: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'The platform admin who acted as this user.' })
  impersonator_id: string | null;

  @ApiProperty({ type: String, nullable: true })
  impersonator_name: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'user' })
  target_kind: string | null;

  @ApiProperty({ type: String, nullable: true })
  target_id: string | null;

  @ApiProperty({ type: Object, ...ANY_JSON })
  before: AuditEventJson['before'];

  @ApiProperty({ type: Object, ...ANY_JSON })
  after: AuditEventJson['after'];

  @ApiProperty({ type: Object, ...ANY_JSON })
  details: AuditEventJson['details'];

  @ApiProperty({ type: String, nullable: true })
  address: string | null;

  @ApiProperty({ type: String, nullable: true })
  request_id: string | null;

  @ApiProperty({ type: 'integer', description: 'More than 1 for the rest of a flood of equal events.' })
  occurrences: number;
}

export class AuditPage {
  @ApiProperty({ type: [AuditEventView] })
  items: AuditEventView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of(items: TenantAuditEvent[], nextCursor: string | null): AuditPage {
    return { items: items.map(auditEventJson), next_cursor: nextCursor };
  }
}
