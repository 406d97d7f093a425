import { Readable } from 'node:stream';
import { Controller, Get, Header, Query, Req, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Request } from 'express';
import { AuditQuery, exportText, TenantAudit } from '../../audit/index.js';
import { parseLimit } from '../../common/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { callerOf } from '../access/caller.js';
import { demandPermission } from '../access/permission.demand.js';
import { declarePermission } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { type AuditFormat, AuditListQuery, AuditPage } from './audit.dto.js';

const TYPES = { json: 'application/json', csv: 'text/csv', jsonl: 'application/jsonl' } as const;

export const AUDIT_READ = declarePermission({
  name: 'audit:read',
  about: "Read the tenant's audit log",
  roles: ['admin'],
});

/** Apart from reading: support may look into the log, and carry nothing away. */
export const AUDIT_EXPORT = declarePermission({
  name: 'audit:export',
  about: "Download the tenant's audit log as CSV or JSON lines",
  roles: ['admin'],
  sensitive: true,
});

@ApiTags('audit')
@Controller('api/audit')
export class AuditController {
  constructor(
    private readonly events: AuditQuery,
    private readonly audit: TenantAudit,
    private readonly context: TenantContext,
  ) {}

  @Get()
  @RequiresPermission(AUDIT_READ, { whileSuspended: true })
  @ApiBearerAuth('bearer')
  @ApiTenantHeader()
  @Header('Cache-Control', 'no-store')
  @Header('Vary', 'Accept')
  @ApiOperation({
    summary: 'What happened in the tenant, newest first',
    description:
      'A page as JSON; with audit:export everything that matches as CSV or JSON lines. A download is itself recorded.',
  })
  @ApiExtraModels(AuditPage)
  @ApiOkResponse({
    content: {
      [TYPES.json]: { schema: { $ref: getSchemaPath(AuditPage) } },
      [TYPES.csv]: { schema: { type: 'string' } },
      [TYPES.jsonl]: { schema: { type: 'string' } },
    },
  })
  async list(@Query() query: AuditListQuery, @Req() request: AccessRequest): Promise<AuditPage | StreamableFile> {
    const filter = AuditListQuery.filter(query);
    const format = query.format ?? formatOf(request);
    if (format === 'json') {
      const page = await this.events.list(filter, parseLimit(query.limit, 50, 200), query.cursor);
      return AuditPage.of(page.items, page.next_cursor);
    }
    demandPermission(callerOf(request), AUDIT_EXPORT);
    const pages = await this.events.export(filter);
    await this.audit.record({ event: 'audit.exported', details: { ...query, format } });
    const { slug } = this.context.currentOrThrow('An audit export');
    // A page of text is what one read yields; objectMode would count sixteen of them as little.
    return new StreamableFile(Readable.from(exportText(pages, format), { objectMode: false }), {
      type: `${TYPES[format]}; charset=utf-8`,
      disposition: `attachment; filename="audit-${slug}.${format}"`,
    });
  }
}

/** JSON unless the client asks for another that there is. */
function formatOf(request: Request): AuditFormat {
  const type = request.accepts(Object.values(TYPES));
  return type === TYPES.csv ? 'csv' : type === TYPES.jsonl ? 'jsonl' : 'json';
}
