import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { parseLimit } from '../../common/index.js';
import { ApiIdempotencyKey, ApiPaging, ApiTenantHeader } from '../../http/index.js';
import { IdempotencyService } from '../../idempotency/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { callerOf, locate } from '../access/caller.js';
import type { AccessRequest } from '../access/principal.js';
import {
  ApiKeyPage,
  ApiKeyPatch,
  ApiKeyRequest,
  ApiKeyRotation,
  ApiKeyView,
  DEFAULT_OVERLAP_SECONDS,
  NewApiKeyView,
} from './api-key.dto.js';
import { API_KEY_READ, API_KEY_WRITE } from './api-key.permissions.js';
import { ApiKeyService, type NewKey } from './api-key.service.js';

const HOUR_MS = 60 * 60 * 1000;
const ApiKeyId = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });

@ApiTags('api-keys')
@ApiBearerAuth('bearer')
@ApiTenantHeader()
@Controller('api/api-keys')
export class ApiKeyController {
  constructor(
    private readonly keys: ApiKeyService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(API_KEY_WRITE)
  @ApiIdempotencyKey()
  @ApiOperation({
    summary: 'Make an API key',
    description:
      'It can do at most what its maker can at that moment, and belongs to the tenant: it works on when its maker is ' +
      'disabled or gone. One made with a key ends no later than that key and works from no more addresses.',
  })
  @ApiCreatedResponse({ type: NewApiKeyView })
  async create(
    @Body() body: ApiKeyRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<NewApiKeyView> {
    const actor = callerOf(request);
    const view = await this.idempotency.execute<NewApiKeyView>(
      { key: request.get('idempotency-key'), scope: `api-keys:${actor.id}`, body, ttlMs: HOUR_MS },
      (commit) => {
        const { made, write } = this.keys.prepare(actor, body.name, {
          permissions: body.permissions,
          addressRanges: body.address_ranges ?? [],
          expiresAt: timeOf(body.expires_at) ?? null,
        });
        return commit(viewOf(made), write);
      },
    );
    locate(request, response, view.id);
    return view;
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(API_KEY_READ)
  @ApiPaging(100)
  @ApiOperation({ summary: 'The API keys of the tenant, newest first', description: 'Expired ones included.' })
  @ApiOkResponse({ type: ApiKeyPage })
  async list(@Query('limit') limit?: string, @Query('cursor') cursor?: string): Promise<ApiKeyPage> {
    const page = await this.keys.list(parseLimit(limit, 50, 100), cursor);
    return { items: page.items.map((key) => ApiKeyView.of(key)), next_cursor: page.next_cursor };
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(API_KEY_READ)
  @ApiKeyId()
  @ApiOperation({ summary: 'An API key, without the key itself' })
  @ApiOkResponse({ type: ApiKeyView })
  async get(@Param('id') id: string): Promise<ApiKeyView> {
    return ApiKeyView.of(await this.keys.get(id));
  }

  @Patch(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(API_KEY_WRITE)
  @ApiKeyId()
  @ApiOperation({
    summary: 'Change an API key',
    description: 'In force at once. Whatever the key can do afterwards, you must be able to do; the name is free.',
  })
  @ApiOkResponse({ type: ApiKeyView })
  async change(@Param('id') id: string, @Body() body: ApiKeyPatch, @Req() request: AccessRequest): Promise<ApiKeyView> {
    const key = await this.keys.change(callerOf(request), id, {
      name: body.name,
      permissions: body.permissions,
      addressRanges: body.address_ranges,
      expiresAt: timeOf(body.expires_at),
    });
    return ApiKeyView.of(key);
  }

  @Post(':id/rotate')
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(API_KEY_WRITE)
  @ApiKeyId()
  @ApiIdempotencyKey()
  @ApiOperation({
    summary: 'Replace an API key by a new one',
    description:
      'The new one has another id, the same name and reach, and ends when the old one would have. The old one works on ' +
      'for the overlap.',
  })
  @ApiCreatedResponse({ type: NewApiKeyView })
  async rotate(
    @Param('id') id: string,
    @Body() body: ApiKeyRotation,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<NewApiKeyView> {
    const actor = callerOf(request);
    const overlap = body.overlap_seconds ?? DEFAULT_OVERLAP_SECONDS;
    const view = await this.idempotency.execute<NewApiKeyView>(
      { key: request.get('idempotency-key'), scope: `api-key-rotation:${actor.id}:${id}`, body, ttlMs: HOUR_MS },
      async (commit) => {
        const { made, write } = await this.keys.prepareRotation(actor, id, overlap);
        return commit(viewOf(made), write);
      },
    );
    locate(request, response, view.id, `/${id}/rotate`);
    return view;
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(API_KEY_WRITE)
  @ApiKeyId()
  @ApiOperation({ summary: 'Revoke an API key', description: 'In force at once; nothing brings it back.' })
  @ApiNoContentResponse()
  async revoke(@Param('id') id: string, @Req() request: AccessRequest): Promise<void> {
    await this.keys.revoke(callerOf(request), id);
  }
}

function viewOf({ key, text }: NewKey): NewApiKeyView {
  return { ...ApiKeyView.of(key), key: text };
}

/** Undefined stays undefined and null stays null: the one leaves as it is, the other takes away. */
function timeOf(text: string | null | undefined): Date | null | undefined {
  return typeof text === 'string' ? new Date(text) : text;
}
