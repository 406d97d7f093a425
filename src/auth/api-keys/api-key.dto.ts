import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  ValidateIf,
} from 'class-validator';
import type { ApiKey } from './api-key.entity.js';

/** Longest overlap of a rotation, in seconds. */
export const MAX_OVERLAP_SECONDS = 7 * 24 * 60 * 60;
export const DEFAULT_OVERLAP_SECONDS = 60 * 60;

/** One line that can be stored, not blank. */
const NAME = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,100}$/u;
const NAME_MESSAGE = 'must be a line of 1 to 100 characters that is not blank';
const TIME = 'must be an ISO 8601 date and time with its offset';
const TIME_WITH_OFFSET = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const TEXTS = 'must be a list of texts';

/** May be left out; null is a value like any other, and refused by what follows. */
const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

function Texts(max: number): PropertyDecorator {
  const tooMany = { message: `must have at most ${max} entries` };
  const rules = [IsArray({ message: TEXTS }), ArrayMaxSize(max, tooMany), IsString({ each: true, message: TEXTS })];
  return (target, name) => rules.forEach((rule) => rule(target, name));
}

function Time(): PropertyDecorator {
  const iso = IsISO8601({ strict: true }, { message: TIME });
  const rules = [IsOptional(), iso, Matches(TIME_WITH_OFFSET, { message: TIME })];
  return (target, name) => rules.forEach((rule) => rule(target, name));
}

const TEXT_LIST: [StringConstructor] = [String];
const PERMISSIONS = { type: TEXT_LIST, example: ['session:read', 'session:write'] };
const RANGES = { type: TEXT_LIST, example: ['192.0.2.0/24', '2001:db8::/32'] };
const EXPIRES = { type: String, format: 'date-time', nullable: true, example: null };

export class ApiKeyRequest {
  @ApiProperty({ example: 'Nightly import' })
  @Matches(NAME, { message: NAME_MESSAGE })
  name: string;

  @ApiProperty({ ...PERMISSIONS, description: 'At most what you hold yourself. With none the key can do nothing.' })
  @Texts(200)
  permissions: string[];

  @ApiPropertyOptional({ ...EXPIRES, description: 'Left out or null: the key does not expire.' })
  @Time()
  expires_at?: string | null;

  @ApiPropertyOptional({ ...RANGES, example: [], description: 'CIDR; left out or empty: from anywhere.' })
  @MayBeAbsent()
  @Texts(50)
  address_ranges?: string[];
}

export class ApiKeyPatch {
  @ApiPropertyOptional({ example: 'Nightly import' })
  @MayBeAbsent()
  @Matches(NAME, { message: NAME_MESSAGE })
  name?: string;

  @ApiPropertyOptional(PERMISSIONS)
  @MayBeAbsent()
  @Texts(200)
  permissions?: string[];

  @ApiPropertyOptional({ ...EXPIRES, description: 'Null: the key does not expire any more.' })
  @Time()
  expires_at?: string | null;

  @ApiPropertyOptional(RANGES)
  @MayBeAbsent()
  @Texts(50)
  address_ranges?: string[];
}

export class ApiKeyRotation {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_OVERLAP_SECONDS,
    default: DEFAULT_OVERLAP_SECONDS,
    description: 'How long the old key still works, in seconds.',
  })
  @MayBeAbsent()
  @IsInt({ message: 'must be an integer' })
  @Min(0, { message: 'must be at least 0' })
  @Max(MAX_OVERLAP_SECONDS, { message: `must be at most ${MAX_OVERLAP_SECONDS}` })
  overlap_seconds?: number;
}

export class ApiKeyView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'Nightly import' })
  name: string;

  @ApiProperty({ example: 'tnt_08Xk…q3Zd', description: 'First 8 and last 4 characters of the key.' })
  hint: string;

  @ApiProperty(PERMISSIONS)
  permissions: string[];

  @ApiProperty(RANGES)
  address_ranges: string[];

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The user or API key that made it.' })
  created_by: string | null;

  @ApiProperty(EXPIRES)
  expires_at: string | null;

  @ApiProperty({ ...EXPIRES, description: 'To the minute.' })
  last_used_at: string | null;

  @ApiProperty({ type: String, nullable: true, example: '192.0.2.17' })
  last_used_address: string | null;

  static of(key: ApiKey): ApiKeyView {
    return {
      id: key.id,
      name: key.name,
      hint: key.hint,
      permissions: key.permissions,
      address_ranges: key.addressRanges,
      created_at: key.createdAt.toISOString(),
      created_by: key.createdBy,
      expires_at: key.expiresAt?.toISOString() ?? null,
      last_used_at: key.lastUsedAt?.toISOString() ?? null,
      last_used_address: key.lastUsedAddress,
    };
  }
}

export class NewApiKeyView extends ApiKeyView {
  @ApiProperty({ description: 'For `Authorization: Bearer …`. Shown this once and stored nowhere.' })
  key: string;
}

export class ApiKeyPage {
  @ApiProperty({ type: [ApiKeyView] })
  items: ApiKeyView[];

  @ApiProperty({ type: String, nullable: true, description: 'Pass as `cursor` for the next page; null at the end.' })
  next_cursor: string | null;
}
