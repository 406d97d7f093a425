import { Injectable } from '@nestjs/common';
import { addressBucket } from '../../common/index.js';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { Device } from './device.entity.js';

/** Where users have signed in from, which is where an attack on them from elsewhere must not hold them. */
@Injectable()
export class KnownAddresses {
  constructor(@InjectTenantRepository(Device) private readonly devices: TenantRepository<Device>) {}

  /** Whether one of the user's devices was last seen at the same {@link addressBucket}. */
  async has(userId: string, address: string | undefined): Promise<boolean> {
    const devices = await this.devices.find({ where: { userId }, select: { id: true, address: true } });
    const bucket = addressBucket(address);
    return devices.some((device) => device.address !== null && addressBucket(device.address) === bucket);
  }
}
