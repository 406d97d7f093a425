import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import { type Isolation, ISOLATIONS } from '../../tenancy/index.js';
import { type Compression, COMPRESSIONS, type ImportedTenant } from '../../tenant/index.js';
import { TenantView } from './tenant-view.dto.js';

const PASSPHRASE_RULE = { message: 'must be a text of 12 to 1,024 characters' };

export class ExportRequest {
  @ApiPropertyOptional({
    format: 'password',
    minLength: 12,
    maxLength: 1024,
    description: 'Encrypts the archive. Without one, secrets are left out of it.',
  })
  @IsOptional()
  @IsString(PASSPHRASE_RULE)
  @Length(12, 1024, PASSPHRASE_RULE)
  passphrase?: string;

  @ApiPropertyOptional({ enum: COMPRESSIONS, description: 'zstd unless given.' })
  @IsOptional()
  @IsIn(COMPRESSIONS, { message: `must be one of ${COMPRESSIONS.join(', ')}` })
  compression?: Compression;
}

export class ImportQuery {
  @ApiPropertyOptional({
    enum: ['new', 'same'],
    description: 'A new tenant unless it is to be the same one, ids and all.',
  })
  @IsOptional()
  @IsIn(['new', 'same'], { message: 'must be new or same' })
  as?: 'new' | 'same';

  @ApiPropertyOptional({ description: 'That of the archive unless given.', example: 'acme-two' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  @Length(1, 63, { message: 'must be 1 to 63 characters long' })
  slug?: string;

  @ApiPropertyOptional({ description: 'That of the archive unless given.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  name?: string;

  @ApiPropertyOptional({ enum: ISOLATIONS, description: 'shared unless given.' })
  @IsOptional()
  @IsIn(ISOLATIONS, { message: `must be one of ${ISOLATIONS.join(', ')}` })
  isolation?: Isolation;

  @ApiPropertyOptional({ description: 'Where its data is to be; chosen unless given.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  @Length(1, 40, { message: 'must be 1 to 40 characters long' })
  server?: string;

  @ApiPropertyOptional({ description: 'Of the server.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  @Length(1, 40, { message: 'must be 1 to 40 characters long' })
  region?: string;
}

export class ImportView {
  @ApiProperty({ type: TenantView })
  tenant: TenantView;

  @ApiProperty({ type: 'integer', description: 'Rows that came in.' })
  rows: number;

  @ApiProperty({ type: 'integer', description: 'Credentials in the archive that open nothing here, and stayed out.' })
  credentials_left: number;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' }, description: 'Rows by table.' })
  tables: Record<string, number>;

  static of({ tenant, rows }: ImportedTenant): ImportView {
    const view = { tenant: TenantView.of(tenant), rows: rows.taken, credentials_left: rows.left, tables: rows.tables };
    return Object.assign(new ImportView(), view);
  }
}
