import { Controller, Param, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { RequiresPlatformPermission } from '../access/access.decorator.js';
import type { AccessRequest } from '../access/principal.js';
import { DevicePage } from '../devices/device.dto.js';
import { deviceLimit, ListsDevices, SignsDeviceOut } from '../devices/device.routes.js';
import { PlatformDevices } from './platform-devices.service.js';
import { adminOf } from '../access/caller.js';

@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/auth/devices')
export class PlatformDevicesController {
  constructor(private readonly devices: PlatformDevices) {}

  @ListsDevices('Where you are signed in as a platform admin, the newest sign-in first')
  @RequiresPlatformPermission('platform-account:manage')
  async list(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<DevicePage> {
    const { id, deviceId } = adminOf(request);
    return DevicePage.of(await this.devices.list(id, deviceLimit(limit), cursor), deviceId);
  }

  @SignsDeviceOut('Sign a device of yours out')
  @RequiresPlatformPermission('platform-account:manage')
  async signOut(@Req() request: AccessRequest, @Param('id') id: string): Promise<void> {
    await this.devices.signOut(adminOf(request).id, id);
  }
}
