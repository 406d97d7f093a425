import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { DEFAULT_SERVER, type Isolation, ISOLATIONS, serverOf } from '../../tenancy/index.js';
import { MOVE_STEPS, type MoveDetails, type MoveStep } from '../../tenant/index.js';

const MOVE_STATES = ['running', 'undoing', 'done', 'failed', 'aborted'];

export class MoveRequest {
  @ApiProperty({ enum: ISOLATIONS, example: 'database' })
  @IsIn(ISOLATIONS, { message: `must be one of ${ISOLATIONS.join(', ')}` })
  isolation: Isolation;

  @ApiPropertyOptional({ example: DEFAULT_SERVER, description: 'Where it is now when left out.' })
  @IsOptional()
  @Matches(/^[a-z][a-z0-9-]{0,39}$/, { message: 'must be the name of a server' })
  server?: string;
}

export class MoveStepView {
  @ApiProperty({ enum: MOVE_STEPS })
  name: string;

  @ApiProperty({ enum: ['pending', 'running', 'done'] })
  state: string;

  @ApiProperty({ type: Number, nullable: true })
  duration_ms: number | null;

  static of({ name, startedAt, finishedAt }: MoveStep): MoveStepView {
    const state = finishedAt ? 'done' : startedAt ? 'running' : 'pending';
    return { name, state, duration_ms: startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null };
  }
}

export class WhereaboutsView {
  @ApiProperty({ enum: ISOLATIONS })
  isolation: string;

  @ApiProperty({ example: DEFAULT_SERVER })
  server: string;
}

export class MoveRowsView {
  @ApiProperty({ description: 'At the source, when the copy began.' })
  total: number;

  @ApiProperty()
  copied: number;

  @ApiProperty({ description: 'Changed meanwhile and brought after.' })
  changed: number;
}

export class MoveView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: MOVE_STATES })
  state: string;

  @ApiProperty({ enum: MOVE_STEPS })
  step: string;

  @ApiProperty({ type: WhereaboutsView })
  from: WhereaboutsView;

  @ApiProperty({ type: WhereaboutsView })
  to: WhereaboutsView;

  @ApiProperty({ type: MoveRowsView })
  rows: MoveRowsView;

  @ApiProperty({ type: Number, nullable: true, description: 'How long requests of the tenant waited at the switch.' })
  pause_ms: number | null;

  @ApiProperty({ description: 'Pauses that came to nothing, because a transaction was held open for example.' })
  failed_pauses: number;

  @ApiProperty({ type: String, nullable: true })
  error: string | null;

  @ApiProperty()
  abort_requested: boolean;

  @ApiProperty({ type: [MoveStepView] })
  steps: MoveStepView[];

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finished_at: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when what was left behind is kept; null when nothing of it is there any more.',
  })
  kept_until: string | null;

  static of(move: MoveDetails): MoveView {
    const { id, state, step, source, target, error } = move;
    return {
      id,
      state,
      step,
      from: { isolation: source.kind, server: serverOf(source) },
      to: { isolation: target.kind, server: serverOf(target) },
      rows: { total: move.rowsTotal, copied: move.rowsCopied, changed: move.changesApplied },
      pause_ms: move.pauseMs,
      failed_pauses: move.pauses,
      error,
      abort_requested: move.abortRequestedAt !== null,
      steps: move.steps.map((one) => MoveStepView.of(one)),
      created_at: move.createdAt.toISOString(),
      finished_at: move.finishedAt?.toISOString() ?? null,
      kept_until: move.sourceGoneAt ? null : (move.keepUntil?.toISOString() ?? null),
    };
  }
}

export class MoveListView {
  @ApiProperty({ type: [MoveView] })
  items: MoveView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
