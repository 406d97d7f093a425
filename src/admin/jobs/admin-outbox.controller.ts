import { Controller, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../../auth/index.js';
import { parseLimit } from '../../common/index.js';
import { ApiPaging } from '../../http/index.js';
import { DeadEvents } from '../../outbox/index.js';
import { DeadEventPage } from './admin-jobs.dto.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/outbox/dead')
export class AdminOutboxController {
  constructor(private readonly events: DeadEvents) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('job:read')
  @ApiOperation({ summary: 'Outbox events that were given up, newest first; payloads are never shown' })
  @ApiPaging(200)
  @ApiOkResponse({ type: DeadEventPage })
  async list(@Query('limit') limit?: string, @Query('cursor') cursor?: string): Promise<DeadEventPage> {
    return DeadEventPage.of(await this.events.list(parseLimit(limit, 50, 200), cursor));
  }

  @Post(':id/retry')
  @HttpCode(204)
  @RequiresPlatformPermission('job:write')
  @ApiOperation({ summary: 'Hand a dead event to its handler again', description: 'It gets all its attempts anew.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiNotFoundResponse({ description: 'outbox_event_not_found' })
  async retry(@Param('id') id: string): Promise<void> {
    await this.events.retry(id);
  }
}
