import { pipeline } from 'node:stream/promises';
import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, callerOf, ForTenant, locate, RequiresPermission } from '../auth/index.js';
import { isKnown, parseLimit, slowUpload } from '../common/index.js';
import { ApiOptionalBearer, ApiPaging, ApiTenantHeader } from '../http/index.js';
import { AddressLimited } from '../limits/index.js';
import { TenantContext } from '../tenancy/index.js';
import { byteRange } from './byte.range.js';
import { FileLinkRequest, FileLinkView, FilePage, FileUsageView, FileView } from './file.dto.js';
import { FileLinkInvalid } from './file.errors.js';
import { FileLinks } from './file.links.js';
import { FILE_ANY, FILE_READ, FILE_WRITE } from './file.permissions.js';
import { describeFile, etagOf } from './file.response.js';
import { TenantFiles } from './tenant.files.js';
import type { FileOwner } from './file.rows.js';

const FileId = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });
/** What is served has the type that was seen when it came. */
const OF_ITS_TYPE = { '*/*': { schema: { type: 'string', format: 'binary' } } } as const;
/** In a browser's cache, in seconds; what is asked for with a credential is asked for again. */
const LINKED_MAX_AGE = 3600;

@ApiTags('files')
@ApiTenantHeader()
@Controller('api/files')
export class FilesController {
  constructor(
    private readonly files: TenantFiles,
    private readonly links: FileLinks,
    private readonly context: TenantContext,
  ) {}

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(FILE_WRITE)
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Upload a file',
    description:
      'The body is the file, of any Content-Type: what it is, is seen by its first bytes. It may take as long as it ' +
      'brings 64 KiB every 30 s. It is stored whole or not at all.',
  })
  @ApiQuery({ name: 'name', schema: { type: 'string', maxLength: 255 }, example: 'umbrella.png' })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiCreatedResponse({ type: FileView })
  async upload(
    @Query('name') name: unknown,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<FileView> {
    const length = request.get('content-length');
    const bytes = length === undefined ? (isFramed(request) ? undefined : 0) : Number(length);
    const file = await slowUpload(request, () =>
      this.files.put(request, { name: typeof name === 'string' ? name : '', bytes }),
    );
    locate(request, response, file.id);
    return FileView.of(file);
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(FILE_READ)
  @ApiBearerAuth('bearer')
  @ApiPaging(100)
  @ApiOperation({ summary: 'The own files, newest first', description: "With file:any everybody's." })
  @ApiOkResponse({ type: FilePage })
  async list(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<FilePage> {
    const page = await this.files.list(parseLimit(limit, 50, 100), cursor, ownerOf(request));
    return { items: page.items.map((file) => FileView.of(file)), next_cursor: page.next_cursor };
  }

  @Get('usage')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(FILE_READ)
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'How much room the files of the tenant take, and how much there is' })
  @ApiOkResponse({ type: FileUsageView })
  async usage(): Promise<FileUsageView> {
    return FileUsageView.of(await this.files.usage());
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(FILE_READ)
  @ApiBearerAuth('bearer')
  @FileId()
  @ApiOperation({ summary: 'What is known of a file' })
  @ApiOkResponse({ type: FileView })
  async get(@Param('id') id: string, @Req() request: AccessRequest): Promise<FileView> {
    return FileView.of(await this.files.find(id, ownerOf(request)));
  }

  @Get(':id/content')
  @ForTenant(FILE_READ)
  @AddressLimited('visitor')
  @ApiOptionalBearer()
  @FileId()
  @ApiQuery({ name: 'expires', required: false, schema: { type: 'string' } })
  @ApiQuery({ name: 'signature', required: false, schema: { type: 'string' } })
  @ApiHeader({ name: 'Range', required: false, description: 'One range of bytes, such as bytes=0-1023.' })
  @ApiOperation({
    summary: 'Download a file',
    description:
      'With a credential, or with the expires and signature of a link from POST /api/files/{id}/url. What a browser could ' +
      'run is sent as an attachment.',
  })
  @ApiOkResponse({ content: OF_ITS_TYPE })
  @ApiResponse({ status: 206, description: 'The range that was asked for', content: OF_ITS_TYPE })
  @ApiResponse({ status: 304, description: 'It is the one that If-None-Match names' })
  async content(
    @Param('id') id: string,
    @Query('expires') expires: unknown,
    @Query('signature') signature: unknown,
    @Req() request: AccessRequest,
    @Res() response: Response,
  ): Promise<void> {
    const { id: tenantId } = this.context.currentOrThrow('A file');
    const left = request.principal ? undefined : this.links.secondsLeft(tenantId, id, expires, signature);
    if (!request.principal && left === undefined) throw new FileLinkInvalid();
    const file = await this.files.find(id, request.principal && ownerOf(request));
    const known = isKnown(request.get('if-none-match'), etagOf(file));
    const whole = known || (request.get('if-range') ?? etagOf(file)) !== etagOf(file);
    const range = whole ? undefined : byteRange(request.get('range'), file.bytes);
    const stream = known || request.method === 'HEAD' ? undefined : await this.files.read(file, range);
    describeFile(response, file, Math.floor(Math.min(left ?? 0, LINKED_MAX_AGE)));
    // Whoever has the link may show the file on a page of any origin.
    if (left !== undefined) response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (known) return void response.status(304).end();
    const { first, last } = range ?? { first: 0, last: file.bytes - 1 };
    response.status(range ? 206 : 200).setHeader('Content-Length', last - first + 1);
    if (range) response.setHeader('Content-Range', `bytes ${first}-${last}/${file.bytes}`);
    if (!stream) return void response.end();
    // What breaks on the way breaks the answer, which its length gives away.
    await pipeline(stream, response).catch((error: unknown) => this.files.broken(file, error));
  }

  @Post(':id/url')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(FILE_READ)
  @ApiBearerAuth('bearer')
  @FileId()
  @ApiOperation({ summary: 'Make a link that opens a file until a time, for whoever has it' })
  @ApiOkResponse({ type: FileLinkView })
  async link(
    @Param('id') id: string,
    @Body() body: FileLinkRequest,
    @Req() request: AccessRequest,
  ): Promise<FileLinkView> {
    const { url, expiresAt } = await this.files.share(id, body.expires_in, ownerOf(request));
    return { url, expires_at: expiresAt.toISOString() };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(FILE_WRITE)
  @ApiBearerAuth('bearer')
  @FileId()
  @ApiOperation({ summary: 'Delete a file' })
  @ApiNoContentResponse()
  async remove(@Param('id') id: string, @Req() request: AccessRequest): Promise<void> {
    await this.files.delete(id, ownerOf(request));
  }
}

/** Whose files the caller reaches. */
function ownerOf(request: AccessRequest): FileOwner {
  const caller = callerOf(request);
  return caller.permissions.has(FILE_ANY) ? undefined : caller.id;
}

function isFramed(request: AccessRequest): boolean {
  return request.headers['transfer-encoding'] !== undefined;
}
