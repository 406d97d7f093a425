import { Controller, Delete, Get, Header, HttpCode, Put, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiQuery,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { ForTenant, RequiresPermission } from '../auth/index.js';
import {
  brandingOf,
  BrandLogos,
  LOGO_TYPES,
  type LogoSummary,
  LogoTooLarge,
  MAX_LOGO_BYTES,
  NoLogo,
} from '../branding/index.js';
import { isKnown } from '../common/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { AddressLimited } from '../limits/index.js';
import { MailLinks } from '../mail/index.js';
import { TenantContext } from '../tenancy/index.js';
import { BrandingView, LogoView } from './branding.dto.js';
import { SETTINGS_WRITE } from './config.permissions.js';

const TYPES = Object.keys(LOGO_TYPES);
const PICTURE = { schema: { type: 'string', format: 'binary' } } as const;
/** What else than the address names the tenant, and says whose pages may read it: a cache tells answers apart by it. */
const NAMED_BY = 'Origin, X-Tenant-ID, Authorization';

@ApiTags('branding')
@ApiTenantHeader()
@Controller('api/branding')
export class BrandingController {
  constructor(
    private readonly logos: BrandLogos,
    private readonly context: TenantContext,
    private readonly links: MailLinks,
  ) {}

  @Get()
  @Header('Cache-Control', 'public, max-age=60')
  @ForTenant()
  @AddressLimited('anybody')
  @ApiOperation({
    summary: 'How the tenant looks: name, colours, support, logo',
    description: 'For anybody, such as a page to sign in on. Changed by the settings `branding.*`.',
  })
  @ApiOkResponse({ type: BrandingView })
  async read(@Res({ passthrough: true }) response: Response): Promise<BrandingView> {
    response.vary(NAMED_BY);
    const tenant = this.context.currentOrThrow('The branding');
    const logo = await this.logos.shown();
    return BrandingView.of(brandingOf(tenant), logo && this.view(logo));
  }

  @Get('logo')
  @ForTenant()
  @AddressLimited('anybody')
  @ApiOperation({ summary: 'The logo of the tenant', description: 'For anybody.' })
  @ApiQuery({ name: 'v', required: false, schema: { type: 'string' }, description: 'Tells one logo from the next.' })
  @ApiProduces(...TYPES)
  @ApiOkResponse({ content: Object.fromEntries(TYPES.map((type) => [type, PICTURE])) })
  @ApiResponse({ status: 304, description: 'It is the one that If-None-Match names' })
  async picture(@Req() request: Request, @Res() response: Response): Promise<void> {
    const summary = await this.logos.summary();
    const fresh = summary && isKnown(request.get('if-none-match'), `"${summary.tag}"`);
    const logo = fresh ? undefined : await this.logos.find();
    if (!summary || logo === null) throw new NoLogo();
    const { tag, mediaType } = logo ?? summary;
    response.vary(NAMED_BY).set({
      ETag: `"${tag}"`,
      'Cache-Control': 'public, max-age=300',
      // Opened by itself it is a picture and nothing more, whatever a browser takes it for.
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'X-Content-Type-Options': 'nosniff',
      // Front ends are elsewhere.
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'Content-Disposition': `inline; filename="logo.${LOGO_TYPES[mediaType]}"`,
    });
    if (!logo) {
      response.status(304).end();
      return;
    }
    response.type(mediaType).set('Content-Length', String(logo.content.length)).end(logo.content);
  }

  @Put('logo')
  @RequiresPermission(SETTINGS_WRITE)
  @ApiBearerAuth('bearer')
  @ApiConsumes(...TYPES)
  @ApiBody({ required: true, schema: PICTURE.schema })
  @ApiOperation({
    summary: 'Set the logo of the tenant',
    description:
      'The picture itself is the body: PNG, JPEG, WebP or GIF, at most 256 KiB and 4096 pixels a side. Its bytes say what it ' +
      'is, not its declared type. SVG is refused.',
  })
  @ApiOkResponse({ type: LogoView })
  async set(@Req() request: Request): Promise<LogoView> {
    return this.view(await this.logos.set(await bodyOf(request, MAX_LOGO_BYTES)));
  }

  @Delete('logo')
  @HttpCode(204)
  @RequiresPermission(SETTINGS_WRITE)
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Remove the logo of the tenant' })
  @ApiNoContentResponse()
  async remove(): Promise<void> {
    if (!(await this.logos.remove())) throw new NoLogo();
  }

  private view(logo: LogoSummary): LogoView {
    const tenant = this.context.currentOrThrow('The branding');
    return LogoView.of(logo, `${this.links.addressOf(tenant, '/api/branding/logo').href}?v=${logo.tag}`);
  }
}

/** @param max bytes @throws LogoTooLarge as soon as there are more, and reads no further */
async function bodyOf(request: Request, max: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > max) throw new LogoTooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // The connection stays, for the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > max) throw new LogoTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
