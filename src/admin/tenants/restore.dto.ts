import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsOptional, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { ValidationFailed } from '../../common/index.js';
import { serverOf } from '../../tenancy/index.js';
import {
  type DifferingRow,
  type Restore,
  RESTORE_STATES,
  RESTORE_STEPS,
  type RestoreWish,
} from '../../tenant/index.js';
import { WhereaboutsView } from './move.dto.js';
import { INSTANT, WHEN_RULE } from './tenant-request.dto.js';

const KINDS = ['only_now', 'only_then', 'changed'];
const WHEN = { type: String, format: 'date-time', nullable: true } as const;
const COUNT = { type: 'integer' } as const;
const COUNTS = {
  type: 'object',
  properties: { only_now: COUNT, only_then: COUNT, changed: COUNT, same: COUNT },
  required: [...KINDS, 'same'],
};

export class RestoreRequest {
  @ApiPropertyOptional({ format: 'uuid', description: 'Of a backup of this tenant; or else `at`.' })
  @IsOptional()
  @IsUUID()
  backup_id?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'A moment that the history of the tenant reaches back to: what there was by then.',
  })
  @IsOptional()
  @Matches(INSTANT, WHEN_RULE)
  @IsISO8601({ strict: true, strictSeparator: true }, WHEN_RULE)
  at?: string;

  /** @throws ValidationFailed unless one of both was named */
  static wishOf({ backup_id: backupId, at }: RestoreRequest): RestoreWish {
    if (backupId != null && at == null) return { backupId };
    if (backupId == null && at != null) return { until: new Date(at) };
    throw new ValidationFailed([{ pointer: '/backup_id', detail: 'must be named, or else a moment as `at`' }]);
  }
}

export class SwapRequest {
  @ApiProperty({ example: 'acme', description: 'The slug of the tenant, typed again.' })
  @IsString()
  @MaxLength(100)
  confirm: string;
}

export class RestoreView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  backup_id: string;

  @ApiProperty({ ...WHEN, description: 'The moment that it is to be brought to, on top of the backup.' })
  at: string | null;

  @ApiProperty({ enum: RESTORE_STATES })
  state: string;

  @ApiProperty({ enum: RESTORE_STEPS })
  step: string;

  @ApiProperty({ type: WhereaboutsView, description: 'Where the tenant is until the swap.' })
  from: WhereaboutsView;

  @ApiProperty({
    type: WhereaboutsView,
    description: 'Where the rows of the backup are, and the tenant after the swap.',
  })
  to: WhereaboutsView;

  @ApiProperty({ type: 'integer', nullable: true })
  rows: number | null;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: COUNTS,
    description: 'By table: rows that are only in the present one, only in the restored one, changed, and the same.',
  })
  difference: Restore['difference'];

  @ApiProperty({ ...WHEN, description: 'As of when the difference is.' })
  compared_at: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The backup of how things were before the swap. To restore it takes the swap back.',
  })
  undo_backup_id: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The move that takes the tenant back to the isolation it had.',
  })
  move_id: string | null;

  @ApiProperty({ ...WHEN, description: 'When that move is ordered. What was left is kept until then.' })
  moves_back_at: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'How long requests of the tenant waited at the swap.' })
  pause_ms: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'backup_damaged' })
  error: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ ...WHEN, description: 'When it is discarded, unless somebody has it swapped in.' })
  discard_at: string | null;

  @ApiProperty(WHEN)
  swapped_at: string | null;

  @ApiProperty(WHEN)
  finished_at: string | null;

  static of(restore: Restore): RestoreView {
    const { id, state, step, source, target, rows, difference, error } = restore;
    return Object.assign(new RestoreView(), {
      id,
      backup_id: restore.backupId,
      at: restore.until?.toISOString() ?? null,
      state,
      step,
      from: { isolation: source.kind, server: serverOf(source) },
      to: { isolation: target.kind, server: serverOf(target) },
      rows,
      difference,
      compared_at: restore.comparedAt?.toISOString() ?? null,
      undo_backup_id: restore.undoBackupId,
      move_id: restore.moveId,
      moves_back_at: restore.movesBackAt?.toISOString() ?? null,
      pause_ms: restore.pauseMs,
      error,
      created_at: restore.createdAt.toISOString(),
      discard_at: restore.discardAt?.toISOString() ?? null,
      swapped_at: restore.swappedAt?.toISOString() ?? null,
      finished_at: restore.finishedAt?.toISOString() ?? null,
    });
  }
}

export class RestoreListView {
  @ApiProperty({ type: [RestoreView] })
  items: RestoreView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}

export class DifferingRowView implements DifferingRow {
  @ApiProperty({ example: 'users' })
  table: string;

  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: KINDS, type: String })
  kind: DifferingRow['kind'];

  @ApiProperty({ type: [String], description: 'Names of the columns that differ, of a row that was changed.' })
  columns: string[];
}

export class DifferingRowsView {
  @ApiProperty({ type: [DifferingRowView] })
  items: DifferingRowView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
