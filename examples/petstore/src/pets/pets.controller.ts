import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
} from '@nestjs/swagger';
import type { Response } from 'express';
import {
  type AccessRequest,
  AddressLimited,
  etagOf,
  ForTenant,
  isKnown,
  LimitedBy,
  locate,
  parseLimit,
  revisionOf,
  slowUpload,
} from 'tenantry';
import { Id, ListQuery, Operation, Resource } from '../rest.js';
import { AdoptionSearch } from './adoption.search.js';
import {
  AddPetRequest,
  AdoptionPage,
  AdoptionQuery,
  ChangePetRequest,
  PetPage,
  PetView,
  PhotoListView,
  PhotoView,
} from './pet.dto.js';
import { PetPhotos } from './pet.photos.js';
import { PET_READ, PET_WRITE } from './pets.settings.js';
import { PetsService } from './pets.service.js';

const IfMatch = () =>
  ApiHeader({ name: 'If-Match', required: false, description: 'The ETag last seen; 412 when it is another by now.' });

@Resource('pets')
@Controller('api')
export class PetsController {
  constructor(
    private readonly pets: PetsService,
    private readonly photos: PetPhotos,
    private readonly adoptions: AdoptionSearch,
  ) {}

  @Get('adoptions')
  @ForTenant()
  @AddressLimited('visitor')
  @LimitedBy('adoption-searches')
  @ApiOperation({ summary: 'Pets that wait for somebody, those who wait longest first', description: 'Open to all.' })
  @ApiOkResponse({ type: AdoptionPage })
  search(@Query() { species, q, limit, cursor }: AdoptionQuery): Promise<AdoptionPage> {
    return this.adoptions.search({ species, q }, parseLimit(limit, 50, 100), cursor);
  }

  @Get('pets')
  @Operation(PET_READ)
  @ApiOperation({
    summary: 'Pets, in the order in which they came',
    description: 'With the setting include_deleted_pets, deleted ones too.',
  })
  @ApiOkResponse({ type: PetPage })
  async list(@Query() { limit, cursor }: ListQuery): Promise<PetPage> {
    return PetPage.of(await this.pets.list(parseLimit(limit, 50, 100), cursor));
  }

  @Post('pets')
  @HttpCode(201)
  @Operation(PET_WRITE)
  @ApiOperation({ summary: 'Add a pet' })
  @ApiCreatedResponse({ type: PetView })
  async add(
    @Body() body: AddPetRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PetView> {
    const pet = await this.pets.add(body);
    locate(request, response, pet.id);
    response.setHeader('ETag', etagOf(pet.revision));
    return PetView.of(pet);
  }

  @Get('pets/:id')
  @Operation(PET_READ)
  @Id()
  @ApiOperation({ summary: 'A pet' })
  @ApiOkResponse({ type: PetView })
  async get(
    @Param('id') id: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PetView | undefined> {
    const pet = await this.pets.find(id);
    const etag = etagOf(pet.revision);
    response.setHeader('ETag', etag);
    if (!isKnown(known, etag)) return PetView.of(pet);
    response.status(304);
    return undefined;
  }

  @Patch('pets/:id')
  @Operation(PET_WRITE)
  @Id()
  @IfMatch()
  @ApiOperation({ summary: 'Change a pet' })
  @ApiOkResponse({ type: PetView })
  async change(
    @Param('id') id: string,
    @Body() body: ChangePetRequest,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PetView> {
    const pet = await this.pets.change(id, body, revisionOf(ifMatch));
    response.setHeader('ETag', etagOf(pet.revision));
    return PetView.of(pet);
  }

  @Delete('pets/:id')
  @HttpCode(204)
  @Operation(PET_WRITE)
  @Id()
  @IfMatch()
  @ApiOperation({ summary: 'Delete a pet', description: 'It stays for those who include deleted pets.' })
  @ApiNoContentResponse()
  async remove(@Param('id') id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.pets.remove(id, revisionOf(ifMatch));
  }

  @Get('pets/:id/photos')
  @Operation(PET_READ)
  @Id()
  @ApiOperation({ summary: 'The newest photos of a pet, with links that open them' })
  @ApiOkResponse({ type: PhotoListView })
  async listPhotos(@Param('id') id: string): Promise<PhotoListView> {
    return { items: await this.photos.list(id), next_cursor: null };
  }

  @Post('pets/:id/photos')
  @HttpCode(201)
  @Operation(PET_WRITE)
  @Id()
  @ApiOperation({ summary: 'Add a photo', description: 'The body is the photo: PNG, JPEG or WebP of at most 5 MiB.' })
  @ApiQuery({ name: 'name', schema: { type: 'string', maxLength: 255 }, example: 'rex.png' })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiCreatedResponse({ type: PhotoView })
  addPhoto(@Param('id') id: string, @Query('name') name: unknown, @Req() request: AccessRequest): Promise<PhotoView> {
    const length = request.get('content-length');
    const bytes = length === undefined ? undefined : Number(length);
    return slowUpload(request, () => this.photos.add(id, request, typeof name === 'string' ? name : '', bytes));
  }

  @Delete('pets/:id/photos/:photo')
  @HttpCode(204)
  @Operation(PET_WRITE)
  @Id()
  @Id('photo')
  @ApiOperation({ summary: 'Remove a photo' })
  @ApiNoContentResponse()
  async removePhoto(@Param('id') id: string, @Param('photo') photo: string): Promise<void> {
    await this.photos.remove(id, photo);
  }
}
