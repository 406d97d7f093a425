import { Controller, Delete, Get, Header, HttpCode, Param, Query, Req } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { parseLimit } from '../../common/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { ownerOf } from '../sign-in/sign-in.controller.js';
import { MAX_DEVICES } from '../tokens/refresh-families.js';
import { DevicesService } from './devices.service.js';

export class DeviceResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'Mozilla/5.0 …', description: 'The user agent, as it called itself.' })
  name: string;

  @ApiProperty({ type: String, nullable: true, example: '203.0.113.7', description: 'Where it was last seen.' })
  address: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  last_used_at: string;

  @ApiProperty({ description: 'Whether this request comes from it.' })
  current: boolean;
}

export class DevicePage {
  @ApiProperty({ type: [DeviceResponse] })
  items: DeviceResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}

@ApiTags('account')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/auth/devices')
export class DevicesController {
  constructor(private readonly devices: DevicesService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @ApiOperation({
    summary: 'Where you are signed in, the newest sign-in first',
    description: `At most ${MAX_DEVICES} devices; the next sign-in ends the one that was longest unused.`,
  })
  @ApiQuery({ name: 'limit', required: false, example: 50, description: '1 to 100.' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: DevicePage })
  async list(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<DevicePage> {
    const { id, deviceId } = ownerOf(request);
    const page = await this.devices.list(id, parseLimit(limit, 50, 100), cursor);
    const items = page.items.map((device) => ({
      id: device.id,
      name: device.name,
      address: device.address,
      created_at: device.createdAt.toISOString(),
      last_used_at: device.lastUsedAt.toISOString(),
      current: device.id === deviceId,
    }));
    return { items, next_cursor: page.next_cursor };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE)
  @ApiOperation({ summary: 'Sign a device out', description: 'Within a second, everywhere; also this one.' })
  @ApiNoContentResponse()
  async signOut(@Req() request: AccessRequest, @Param('id') id: string): Promise<void> {
    await this.devices.signOut(ownerOf(request).id, id);
  }
}
