import { ApiProperty } from '@nestjs/swagger';
import type { Page } from '../../common/index.js';

/** Where somebody is signed in: a person of a tenant, or a platform admin. */
export interface SignedInDevice {
  id: string;
  name: string;
  address: string | null;
  createdAt: Date;
  lastUsedAt: Date;
}

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

  static of({ id, name, address, createdAt, lastUsedAt }: SignedInDevice, current: boolean): DeviceResponse {
    return {
      id,
      name,
      address,
      created_at: createdAt.toISOString(),
      last_used_at: lastUsedAt.toISOString(),
      current,
    };
  }
}

export class DevicePage {
  @ApiProperty({ type: [DeviceResponse] })
  items: DeviceResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  /** As the device with the id `asking` is answered. */
  static of(page: Page<SignedInDevice>, asking: string | undefined): DevicePage {
    return {
      items: page.items.map((device) => DeviceResponse.of(device, device.id === asking)),
      next_cursor: page.next_cursor,
    };
  }
}
