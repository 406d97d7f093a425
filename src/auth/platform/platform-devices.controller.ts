import { Controller, Delete, Get, Header, HttpCode, Param, Query, Req } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { parseLimit } from '../../common/index.js';
import { RequiresPlatformPermission } from '../access/access.decorator.js';
import type { AccessRequest } from '../access/principal.js';
import { DevicePage } from '../devices/devices.controller.js';
import { PlatformDevices } from './platform-devices.service.js';
import { adminOf } from './platform-sign-in.controller.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/auth/devices')
export class PlatformDevicesController {
  constructor(private readonly devices: PlatformDevices) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-account:manage')
  @ApiOperation({ summary: 'Where you are signed in as a platform admin, the newest sign-in first' })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 100, default: 50 } })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: DevicePage })
  async list(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<DevicePage> {
    const { id, deviceId } = adminOf(request);
    const page = await this.devices.list(id, parseLimit(limit, 50, 100), cursor);
    const items = page.items.map((device) => ({
      id: device.id,
      name: device.name,
      address: device.address,
      created_at: device.created_at.toISOString(),
      last_used_at: device.last_used_at.toISOString(),
      current: device.id === deviceId,
    }));
    return { items, next_cursor: page.next_cursor };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPlatformPermission('platform-account:manage')
  @ApiOperation({ summary: 'Sign a device of yours out', description: 'Within a second, everywhere; also this one.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async signOut(@Req() request: AccessRequest, @Param('id') id: string): Promise<void> {
    await this.devices.signOut(adminOf(request).id, id);
  }
}
