import { ApiProperty } from '@nestjs/swagger';
import { type Backup, BACKUP_STATES } from '../../tenant/index.js';

const NULL = { type: 'integer', nullable: true } as const;

export class BackupView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  tenant_id: string;

  @ApiProperty({ enum: BACKUP_STATES })
  state: string;

  @ApiProperty({ description: 'Whether BACKUP_SCHEDULE asked for it, or a person.' })
  scheduled: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'The newest migration of the place it was read from.' })
  migration: string | null;

  @ApiProperty(NULL)
  rows: number | null;

  @ApiProperty(NULL)
  bytes: number | null;

  @ApiProperty({ type: String, nullable: true, description: 'Of the file, hexadecimal.' })
  sha256: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'tenant_moving' })
  error: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'As of when its rows are.' })
  made_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finished_at: string | null;

  static of({ id, tenantId, madeAt, createdAt, finishedAt, ...rest }: Backup): BackupView {
    const { state, scheduled, migration, rows, bytes, sha256, error } = rest;
    return Object.assign(new BackupView(), {
      id,
      tenant_id: tenantId,
      state,
      scheduled,
      migration,
      rows,
      bytes,
      sha256,
      error,
      made_at: madeAt?.toISOString() ?? null,
      created_at: createdAt.toISOString(),
      finished_at: finishedAt?.toISOString() ?? null,
    });
  }
}

export class BackupListView {
  @ApiProperty({ type: [BackupView] })
  items: BackupView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
