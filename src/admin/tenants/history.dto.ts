import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { HISTORY_STATES, type HistoryStatus } from '../../tenant/index.js';

const DAYS_RULE = { message: 'must be a number of days from 1 to 3650' };
const TIME = { type: String, format: 'date-time', nullable: true } as const;

export class KeepHistoryRequest {
  @ApiProperty({ description: 'How far back the tenant can be brought.', minimum: 1, maximum: 3650, example: 14 })
  @Type(() => Number)
  @IsInt(DAYS_RULE)
  @Min(1, DAYS_RULE)
  @Max(3650, DAYS_RULE)
  days: number;
}

export class HistoryView {
  @ApiProperty({ enum: HISTORY_STATES })
  state: string;

  @ApiProperty({ type: 'integer', nullable: true })
  days: number | null;

  @ApiProperty({ ...TIME, description: 'Since when every change is captured.' })
  since: string | null;

  @ApiProperty({
    ...TIME,
    description: 'The tenant can be brought back to any time after it; null while there is no backup to begin with.',
  })
  reaches_back_to: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Changes that are kept; null: too many to be counted.' })
  rows: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'What they take of the disks of the database, without indexes.',
  })
  bytes: number | null;

  static of({ state, days, since, reachesBackTo, rows, bytes }: HistoryStatus): HistoryView {
    return Object.assign(new HistoryView(), {
      state,
      days,
      since: since?.toISOString() ?? null,
      reaches_back_to: reachesBackTo?.toISOString() ?? null,
      rows,
      bytes,
    });
  }
}
