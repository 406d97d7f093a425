import { Injectable } from '@nestjs/common';
import { LessThan, MoreThan } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { AppError, isUuid, type Page } from '../../common/index.js';
import {
  InjectTenantRepository,
  TenantCursors,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { UserStates } from '../users/user-states.js';
import { Device } from './device.entity.js';

/** No such device of this user, or it is signed out already. */
export class DeviceNotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'device_not_found',
      detail: 'You have no such device.',
      remedy: 'See GET /api/auth/devices for those you have.',
    });
  }
}

/** Where a person is signed in. */
@Injectable()
export class DevicesService {
  constructor(
    @InjectTenantRepository(Device) private readonly devices: TenantRepository<Device>,
    private readonly states: UserStates,
    private readonly cursors: TenantCursors,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  /** The newest sign-in first. @throws CursorInvalid */
  async list(userId: string, limit: number, cursor: string | undefined): Promise<Page<Device>> {
    const listed = `devices:${userId}`;
    const after = this.cursors.open(listed, cursor);
    const devices = await this.devices.find({
      where: { userId, expiresAt: MoreThan(new Date()), ...(after && { id: LessThan(after) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    return this.cursors.page(listed, devices, limit, ({ id }) => id);
  }

  /** Signs a device of the user out, on every instance within a second. @throws DeviceNotFound */
  async signOut(userId: string, id: string): Promise<void> {
    if (!isUuid(id)) throw new DeviceNotFound();
    await this.transaction.run(async () => {
      if ((await this.devices.delete({ id, userId })) !== 1) throw new DeviceNotFound();
      await this.states.changed(userId);
      await this.audit.record({
        event: 'user.signed-out',
        target: { kind: 'user', id: userId },
        details: { device: id },
      });
    });
  }
}
