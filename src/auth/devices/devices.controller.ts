import { Controller, Param, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { ApiTenantHeader } from '../../http/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { ownerOf } from '../access/caller.js';
import { DevicePage } from './device.dto.js';
import { deviceLimit, ListsDevices, SignsDeviceOut } from './device.routes.js';
import { DevicesService } from './devices.service.js';

@ApiTags('account')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/auth/devices')
export class DevicesController {
  constructor(private readonly devices: DevicesService) {}

  @ListsDevices('Where you are signed in, the newest sign-in first')
  @RequiresPermission(ACCOUNT_MANAGE)
  async list(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<DevicePage> {
    const { id, deviceId } = ownerOf(request);
    return DevicePage.of(await this.devices.list(id, deviceLimit(limit), cursor), deviceId);
  }

  @SignsDeviceOut('Sign a device out')
  @RequiresPermission(ACCOUNT_MANAGE)
  async signOut(@Req() request: AccessRequest, @Param('id') id: string): Promise<void> {
    await this.devices.signOut(ownerOf(request).id, id);
  }
}
