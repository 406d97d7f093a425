import { applyDecorators, Header } from '@nestjs/common';
import { ApiBearerAuth, ApiParam, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { ApiTenantHeader, AppError, isUuid, RequiresPermission } from 'tenantry';

/** What all controllers say of their operations. */
export const Resource = (tag: string): ClassDecorator => applyDecorators(ApiTags(tag), ApiTenantHeader());

/** An operation for whoever is signed in and holds the permission. */
export const Operation = (permission: string): MethodDecorator =>
  applyDecorators(RequiresPermission(permission), ApiBearerAuth('bearer'), Header('Cache-Control', 'no-store'));

/** The id in a path. */
export const Id = (name = 'id'): MethodDecorator => ApiParam({ name, schema: { type: 'string', format: 'uuid' } });

/** Query parameters of every list. */
export class ListQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100, default: 50 })
  @IsOptional()
  limit?: string;

  @ApiPropertyOptional({ description: 'next_cursor of a page.' })
  @IsOptional()
  @IsString()
  cursor?: string;
}

/** What every page has beside its items. */
export abstract class PageView {
  @ApiProperty({ type: String, nullable: true, description: 'Pass as `cursor` for the next page; null at the end.' })
  next_cursor: string | null;
}

/** Unknown, of another tenant or deleted: one answer. */
export class NotFound extends AppError {
  constructor(what: string) {
    super({
      status: 404,
      code: `${what}_not_found`,
      detail: `There is no such ${what}.`,
      remedy: 'Look for it in its list.',
    });
  }
}

/** @throws NotFound for what cannot be an id */
export function idOf(text: string, what: string): string {
  if (!isUuid(text)) throw new NotFound(what);
  return text;
}
