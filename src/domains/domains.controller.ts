import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { locate, RequiresPermission } from '../auth/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { DomainsService } from '../tenant/index.js';
import { AddDomainRequest, ChangeDomainRequest, DomainPage, DomainView } from './domain.dto.js';
import { DOMAIN_READ, DOMAIN_WRITE } from './domain.permissions.js';

const Id = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });

@ApiTags('domains')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/domains')
export class DomainsController {
  constructor(private readonly domains: DomainsService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(DOMAIN_READ)
  @ApiOperation({ summary: 'Domains of your own, oldest first' })
  @ApiOkResponse({ type: DomainPage })
  async list(): Promise<DomainPage> {
    return DomainPage.of(await this.domains.list());
  }

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(DOMAIN_WRITE)
  @ApiOperation({
    summary: 'Add a domain',
    description: 'Answers the TXT record that proves it. It is in use once verified; until then others may add it too.',
  })
  @ApiCreatedResponse({ type: DomainView })
  async add(
    @Body() { domain }: AddDomainRequest,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<DomainView> {
    const added = await this.domains.add(domain);
    locate(request, response, added.id);
    return DomainView.of(added);
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(DOMAIN_READ)
  @Id()
  @ApiOperation({ summary: 'One domain, with its record' })
  @ApiOkResponse({ type: DomainView })
  async find(@Param('id') id: string): Promise<DomainView> {
    return DomainView.of(await this.domains.find(id));
  }

  @Post(':id/verify')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(DOMAIN_WRITE)
  @Id()
  @ApiOperation({
    summary: 'Look for the proof now',
    description: 'Of several customers who added the domain, the first to show the proof has it; the others get 409.',
  })
  @ApiOkResponse({ type: DomainView })
  async verify(@Param('id') id: string): Promise<DomainView> {
    return DomainView.of(await this.domains.verify(id));
  }

  @Patch(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(DOMAIN_WRITE)
  @Id()
  @ApiOperation({ summary: 'Choose whether links in mails lead to it' })
  @ApiOkResponse({ type: DomainView })
  async change(@Param('id') id: string, @Body() { primary }: ChangeDomainRequest): Promise<DomainView> {
    return DomainView.of(await this.domains.setPrimary(id, primary));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(DOMAIN_WRITE)
  @Id()
  @ApiOperation({ summary: 'Remove a domain', description: 'It stops leading to you at once.' })
  @ApiNoContentResponse()
  remove(@Param('id') id: string): Promise<void> {
    return this.domains.remove(id);
  }
}
