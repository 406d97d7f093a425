import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, declarePermission, locate, parseLimit } from 'tenantry';
import { Id, ListQuery, Operation, Resource } from '../rest.js';
import { AddOwnerRequest, OwnerPage, OwnerView } from './owner.dto.js';
import { OwnersService } from './owners.service.js';

const OWNER_READ = declarePermission({
  name: 'owner:read',
  about: 'Read of the owners of pets',
  roles: ['admin', 'member', 'viewer'],
});
const OWNER_WRITE = declarePermission({
  name: 'owner:write',
  about: 'Add and remove owners of pets',
  roles: ['admin', 'member'],
});

@Resource('owners')
@Controller('api/owners')
export class OwnersController {
  constructor(private readonly owners: OwnersService) {}

  @Get()
  @Operation(OWNER_READ)
  @ApiOperation({ summary: 'Owners, in the order in which they came' })
  @ApiOkResponse({ type: OwnerPage })
  async list(@Query() { limit, cursor }: ListQuery): Promise<OwnerPage> {
    return OwnerPage.of(await this.owners.list(parseLimit(limit, 50, 100), cursor));
  }

  @Post()
  @HttpCode(201)
  @Operation(OWNER_WRITE)
  @ApiOperation({ summary: 'Add an owner' })
  @ApiCreatedResponse({ type: OwnerView })
  async add(
    @Body() body: AddOwnerRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OwnerView> {
    const owner = await this.owners.add(body);
    locate(request, response, owner.id);
    return OwnerView.of(owner);
  }

  @Get(':id')
  @Operation(OWNER_READ)
  @Id()
  @ApiOperation({ summary: 'An owner' })
  @ApiOkResponse({ type: OwnerView })
  async get(@Param('id') id: string): Promise<OwnerView> {
    return OwnerView.of(await this.owners.find(id));
  }

  @Delete(':id')
  @HttpCode(204)
  @Operation(OWNER_WRITE)
  @Id()
  @ApiOperation({ summary: 'Remove an owner', description: 'Their pets stay, without an owner.' })
  @ApiNoContentResponse()
  async remove(@Param('id') id: string): Promise<void> {
    await this.owners.remove(id);
  }
}
