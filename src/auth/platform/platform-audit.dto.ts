import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { auditEventJson, type PlatformAuditEvent, type PlatformAuditFilter } from '../../audit/index.js';
import type { Page } from '../../common/index.js';
import { AuditEventView, AuditListQuery } from '../audit/audit.dto.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class PlatformAuditListQuery extends OmitType(AuditListQuery, ['format']) {
  @ApiPropertyOptional({ format: 'uuid', description: 'The tenant that the event is about.' })
  @IsOptional()
  @Matches(UUID, { message: 'must be a UUID' })
  tenant_id?: string;

  static filter(query: PlatformAuditListQuery): PlatformAuditFilter {
    return { ...AuditListQuery.filter(query), tenantId: query.tenant_id };
  }
}

export class PlatformAuditEventView extends AuditEventView {
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  tenant_id: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'In the words of the platform admin.' })
  reason: string | null;
}

export class PlatformAuditPage {
  @ApiProperty({ type: [PlatformAuditEventView] })
  items: PlatformAuditEventView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<PlatformAuditEvent>): PlatformAuditPage {
    return {
      items: items.map((event) => ({ ...auditEventJson(event), tenant_id: event.tenantId, reason: event.reason })),
      next_cursor,
    };
  }
}
