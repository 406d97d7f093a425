import { ApiProperty } from '@nestjs/swagger';
import type { ScheduledAct } from '../../tenant/index.js';

const ACTS = {
  suspend: 'suspend',
  archive: 'archive',
  schedule: 'schedule-deletion',
  purge: 'purge',
  'roll-back': 'roll-back',
} as const;

export class ScheduledActView {
  @ApiProperty({ enum: Object.values(ACTS) })
  act: string;

  @ApiProperty({ format: 'date-time', description: 'At the earliest: it waits until the owners were told in time.' })
  at: string;

  @ApiProperty({ type: [Number], example: [7, 1], description: 'Days before on which the owners are told.' })
  notices: number[];

  @ApiProperty({ type: [Number], example: [7], description: 'Those of them that are out.' })
  sent: number[];

  static of({ act, at, notices, sent }: ScheduledAct): ScheduledActView {
    return { act: ACTS[act], at: at.toISOString(), notices: [...notices], sent };
  }
}

export class ScheduleView {
  @ApiProperty({ type: [ScheduledActView] })
  items: ScheduledActView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}
