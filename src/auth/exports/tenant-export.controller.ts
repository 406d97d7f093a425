import { Body, Controller, Header, HttpCode, Post, Res, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { IsOptional, IsString, Length } from 'class-validator';
import { TenantAudit } from '../../audit/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { ARCHIVE_TYPE, TenantDownloads } from '../../tenant/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { declarePermission } from '../access/permissions.js';

/** Out of reach of support: it holds everything that there is. */
export const TENANT_EXPORT = declarePermission({
  name: 'tenant:export',
  about: 'Download all that the tenant has, as one archive',
  roles: [],
  peopleOnly: true,
  sensitive: true,
});

const PASSPHRASE_RULE = { message: 'must be a text of 12 to 1,024 characters' };

export class TenantExportRequest {
  @ApiPropertyOptional({
    format: 'password',
    minLength: 12,
    maxLength: 1024,
    description:
      'Encrypts the archive. Without one, secrets are left out of it; passwords and second factors of people always are.',
  })
  @IsOptional()
  @IsString(PASSPHRASE_RULE)
  @Length(12, 1024, PASSPHRASE_RULE)
  passphrase?: string;
}

@ApiTags('account')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/tenant/exports')
export class TenantExportController {
  constructor(
    private readonly downloads: TenantDownloads,
    private readonly audit: TenantAudit,
    private readonly context: TenantContext,
  ) {}

  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(TENANT_EXPORT, { whileSuspended: true })
  @ApiOperation({
    summary: 'Download all that the tenant has, as one archive',
    description: 'For owners, also while the tenant is suspended. The download is itself recorded.',
  })
  @ApiProduces(ARCHIVE_TYPE)
  @ApiOkResponse({ content: { [ARCHIVE_TYPE]: { schema: { type: 'string', format: 'binary' } } } })
  async export(
    @Body() body: TenantExportRequest,
    @Res({ passthrough: true }) client: Response,
  ): Promise<StreamableFile> {
    const tenant = this.context.currentOrThrow('An export');
    const target = { kind: 'tenant', id: tenant.id };
    const { stream, bytes, disposition } = await this.downloads.make(tenant, {
      ...body,
      ofPeople: false,
      client,
      record: (details) => this.audit.record({ event: 'tenant.exported', target, details }),
    });
    return new StreamableFile(stream, { type: ARCHIVE_TYPE, disposition, length: bytes });
  }
}
