import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { MOST_LINK_SECONDS } from './file.links.js';
import type { TenantFile } from './tenant-file.entity.js';
import type { FileLimits } from './tenant.files.js';

const DEFAULT_LINK_SECONDS = 3600;

export class FileView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'umbrella.png' })
  name: string;

  @ApiProperty({ example: 'image/png', description: 'What its first bytes look like, whatever the uploader said.' })
  media_type: string;

  @ApiProperty({ type: 'integer', example: 48213 })
  bytes: number;

  @ApiProperty({ description: 'Of the bytes, hexadecimal.' })
  sha256: string;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    nullable: true,
    description: 'Id of the user or API key; null for the service itself, and for people who have left.',
  })
  uploaded_by: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of({ id, name, mediaType, bytes, sha256, uploadedBy, createdAt }: TenantFile): FileView {
    return {
      id,
      name,
      media_type: mediaType,
      bytes,
      sha256,
      uploaded_by: uploadedBy,
      created_at: createdAt.toISOString(),
    };
  }
}

export class FilePage {
  @ApiProperty({ type: [FileView] })
  items: FileView[];

  @ApiProperty({ type: 'string', nullable: true, description: 'Pass as `cursor` for the next page; null at the end.' })
  next_cursor: string | null;
}

export class FileUsageView {
  @ApiProperty({ type: 'integer', description: 'Those that are under way count, too.' })
  files: number;

  @ApiProperty({ type: 'integer', description: 'With what is reserved for uploads that are under way.' })
  bytes: number;

  @ApiProperty({ type: 'integer', description: 'What all files together may have.' })
  quota_bytes: number;

  @ApiProperty({ type: 'integer', description: 'What one file may have.' })
  max_bytes: number;

  @ApiProperty({ type: 'integer', description: 'How many files there may be.' })
  max_count: number;

  static of({ files, bytes, quotaBytes, maxBytes, maxCount }: FileLimits): FileUsageView {
    return { files, bytes, quota_bytes: quotaBytes, max_bytes: maxBytes, max_count: maxCount };
  }
}

const SECONDS_RULE = { message: `must be an integer from 1 to ${MOST_LINK_SECONDS}` };

export class FileLinkRequest {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MOST_LINK_SECONDS,
    default: DEFAULT_LINK_SECONDS,
    description: 'Seconds from now; at most seven days.',
  })
  @IsOptional()
  @IsInt(SECONDS_RULE)
  @Min(1, SECONDS_RULE)
  @Max(MOST_LINK_SECONDS, SECONDS_RULE)
  expires_in: number = DEFAULT_LINK_SECONDS;
}

export class FileLinkView {
  @ApiProperty({ format: 'uri', description: 'Opens the file without a credential.' })
  url: string;

  @ApiProperty({ format: 'date-time' })
  expires_at: string;
}
