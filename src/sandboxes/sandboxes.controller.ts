import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, locate, ownerOf, RequiresPermission } from '../auth/index.js';
import { ApiIdempotencyKey, ApiTenantHeader } from '../http/index.js';
import { CreateSandboxRequest, SandboxAccessView, SandboxPage, SandboxView } from './sandbox.dto.js';
import { SANDBOX_READ, SANDBOX_WRITE } from './sandbox.permissions.js';
import { SandboxesService } from './sandboxes.service.js';

const Slug = () => ApiParam({ name: 'slug', schema: { type: 'string', example: 'acme-sandbox' } });

@ApiTags('sandboxes')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/sandboxes')
export class SandboxesController {
  constructor(private readonly sandboxes: SandboxesService) {}

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SANDBOX_WRITE)
  @ApiIdempotencyKey()
  @ApiOperation({
    summary: 'Copy the tenant into a sandbox',
    description:
      'Settings, and data if asked; never anything that lets somebody in. Answers at once; the sandbox is `provisioning` ' +
      'and, usually within a second, `active`. It sends mail to nobody but who asked for it.',
  })
  @ApiCreatedResponse({ type: SandboxView })
  async create(
    @Body() body: CreateSandboxRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SandboxView> {
    const key = request.get('idempotency-key');
    const asker = ownerOf(request).id;
    const view = await this.sandboxes.create(CreateSandboxRequest.read(body), asker, key, (made) =>
      SandboxView.of(made),
    );
    locate(request, response, view.slug);
    return view;
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SANDBOX_READ)
  @ApiOperation({ summary: 'Sandboxes of the tenant, newest first' })
  @ApiOkResponse({ type: SandboxPage })
  async list(): Promise<SandboxPage> {
    const sandboxes = await this.sandboxes.list();
    return { items: sandboxes.map((sandbox) => SandboxView.of(sandbox)), next_cursor: null };
  }

  @Get(':slug')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SANDBOX_READ)
  @Slug()
  @ApiOperation({ summary: 'One sandbox' })
  @ApiOkResponse({ type: SandboxView })
  async find(@Param('slug') slug: string): Promise<SandboxView> {
    return SandboxView.of(await this.sandboxes.find(slug));
  }

  @Post(':slug/reset')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SANDBOX_WRITE)
  @Slug()
  @ApiOperation({
    summary: 'Bring a sandbox back to its start',
    description:
      'What was done in it is erased, and it is copied anew from what its source is now. It is `resetting` for some ' +
      'seconds. Slug, name, and the day on which it ends stay.',
  })
  @ApiAcceptedResponse({ type: SandboxView })
  async reset(@Param('slug') slug: string, @Req() request: AccessRequest): Promise<SandboxView> {
    return SandboxView.of(await this.sandboxes.reset(slug, ownerOf(request).id));
  }

  @Post(':slug/access')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SANDBOX_WRITE)
  @Slug()
  @ApiOperation({
    summary: 'Get into a sandbox',
    description: 'Answers a code that signs you in there as an owner: once, within five minutes.',
  })
  @ApiOkResponse({ type: SandboxAccessView })
  access(@Param('slug') slug: string, @Req() request: AccessRequest): Promise<SandboxAccessView> {
    return this.sandboxes.access(slug, ownerOf(request).id);
  }

  @Delete(':slug')
  @HttpCode(204)
  @RequiresPermission(SANDBOX_WRITE)
  @Slug()
  @ApiOperation({ summary: 'Remove a sandbox', description: 'It is archived at once, and erased later.' })
  @ApiNoContentResponse()
  remove(@Param('slug') slug: string): Promise<void> {
    return this.sandboxes.remove(slug);
  }
}
