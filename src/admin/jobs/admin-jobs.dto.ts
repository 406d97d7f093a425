import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { Page } from '../../common/index.js';
import { type AdminJob, JOB_STATES, type JobState } from '../../jobs/index.js';
import type { DeadEvent } from '../../outbox/index.js';

const STATES = Object.keys(JOB_STATES) as JobState[];

export class AdminJobListQuery {
  @ApiPropertyOptional({ enum: STATES })
  @IsOptional()
  @IsIn(STATES)
  state?: JobState;

  @ApiPropertyOptional({ description: 'The id or slug of a tenant.' })
  @IsOptional()
  @IsString()
  @MaxLength(100)
  tenant?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(100)
  name?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  limit?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  cursor?: string;
}

export class AdminJobView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'report.build' })
  name: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Null for a job of the platform.' })
  tenant_id: string | null;

  @ApiProperty({ enum: STATES })
  state: JobState;

  @ApiProperty({ description: 'Those begun.' })
  attempts: number;

  @ApiProperty()
  max_attempts: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({
    format: 'date-time',
    description: 'Not before; of a job that waits for its next attempt, the time of it.',
  })
  due_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  started_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  ended_at: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'The kind of the last failure, never its message.' })
  last_error: string | null;

  static of(job: AdminJob): AdminJobView {
    return {
      id: job.id,
      name: job.name,
      tenant_id: job.tenantId,
      state: job.state,
      attempts: job.attempts,
      max_attempts: job.maxAttempts,
      created_at: job.createdAt.toISOString(),
      due_at: job.dueAt.toISOString(),
      started_at: job.startedAt?.toISOString() ?? null,
      ended_at: job.endedAt?.toISOString() ?? null,
      last_error: job.lastError,
    };
  }
}

export class AdminJobPage {
  @ApiProperty({ type: [AdminJobView] })
  items: AdminJobView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<AdminJob>): AdminJobPage {
    return { items: items.map((job) => AdminJobView.of(job)), next_cursor };
  }
}

export class DeadEventView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  tenant_id: string;

  @ApiProperty({ example: 'mail.send' })
  type: string;

  @ApiProperty()
  attempts: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  dead_at: string;

  @ApiProperty({ type: String, nullable: true, description: 'The kind of the last failure, never its message.' })
  last_error: string | null;
}

export class DeadEventPage {
  @ApiProperty({ type: [DeadEventView] })
  items: DeadEventView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<DeadEvent>): DeadEventPage {
    return {
      items: items.map((event) => ({
        id: event.id,
        tenant_id: event.tenantId,
        type: event.type,
        attempts: event.attempts,
        created_at: event.createdAt.toISOString(),
        dead_at: event.deadAt.toISOString(),
        last_error: event.lastError,
      })),
      next_cursor,
    };
  }
}
