import {
  Body,
  Controller,
  Header,
  Headers,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  Res,
  StreamableFile,
} from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { PlatformAudit } from '../../audit/index.js';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { slowUpload } from '../../common/index.js';
import { ApiNamedTenant } from '../../http/index.js';
import { ARCHIVE_TYPE, ArchiveSpool, TenantDownloads, TenantImporter, TenantStore } from '../../tenant/index.js';
import { ExportRequest, ImportQuery, ImportView } from './archive.dto.js';

const BINARY = { [ARCHIVE_TYPE]: { schema: { type: 'string', format: 'binary' } } } as const;

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants')
export class ArchivesController {
  constructor(
    private readonly store: TenantStore,
    private readonly downloads: TenantDownloads,
    private readonly spool: ArchiveSpool,
    private readonly importer: TenantImporter,
    private readonly audit: PlatformAudit,
  ) {}

  @Post(':tenant/exports')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:export')
  @ApiOperation({
    summary: 'Download all that a tenant has, as one archive',
    description: 'Everything as of one moment. Without a passphrase secrets are left out; its manifest says which.',
  })
  @ApiNamedTenant()
  @ApiProduces(ARCHIVE_TYPE)
  @ApiOkResponse({ content: BINARY })
  async export(
    @Param('tenant') name: string,
    @Body() body: ExportRequest,
    @Res({ passthrough: true }) client: Response,
  ): Promise<StreamableFile> {
    const tenant = await this.store.find(name);
    const { id } = tenant;
    const target = { kind: 'tenant', id };
    const { stream, bytes, disposition } = await this.downloads.make(tenant, {
      ...body,
      client,
      record: (details) => this.audit.record(undefined, { event: 'tenant.exported', tenantId: id, target, details }),
    });
    return new StreamableFile(stream, { type: ARCHIVE_TYPE, disposition, length: bytes });
  }

  @Post('imports')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:import')
  @ApiOperation({
    summary: 'Make a tenant of an archive',
    description:
      'All of it or nothing. As a new tenant every id is another, and credentials of the old one open nothing; ' +
      'as the same tenant, where there is none of its id, ids stay.',
  })
  @ApiConsumes(ARCHIVE_TYPE)
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiHeader({ name: 'Archive-Passphrase', required: false, description: 'URI-encoded; of an encrypted archive.' })
  @ApiCreatedResponse({ type: ImportView })
  async import(
    @Query() { as, ...wanted }: ImportQuery,
    @Headers('archive-passphrase') passphrase: string | undefined,
    @Req() request: Request,
  ): Promise<ImportView> {
    const sealer = passphrase === undefined ? undefined : { passphrase: decoded(passphrase) };
    const run = (file: string) => this.importer.run({ file, sealer, same: as === 'same', ...wanted });
    return ImportView.of(await slowUpload(request, () => this.spool.upload(request, run)));
  }
}

/** Headers are Latin-1 at best; what is no URI encoding is taken as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
