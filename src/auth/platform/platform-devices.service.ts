import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { isUuid, type Page } from '../../common/index.js';
import { InjectPlatformDataSource, PlatformCursors } from '../../tenancy/index.js';
import type { SignedInDevice } from '../devices/device.dto.js';
import { DeviceNotFound } from '../devices/devices.service.js';
import { AdminStates } from './admin-states.js';

/** Where a platform admin is signed in. */
@Injectable()
export class PlatformDevices {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly states: AdminStates,
    private readonly cursors: PlatformCursors,
    private readonly audit: PlatformAudit,
  ) {}

  /** The newest sign-in first. @throws CursorInvalid */
  async list(adminId: string, limit: number, cursor: string | undefined): Promise<Page<SignedInDevice>> {
    const listed = `platform-devices:${adminId}`;
    const rows = await this.platform.query<SignedInDevice[]>(
      `SELECT id, name, address, created_at AS "createdAt", last_used_at AS "lastUsedAt" FROM platform_devices
        WHERE user_id = $1 AND expires_at > now() AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [adminId, this.cursors.open(listed, cursor), limit + 1],
    );
    return this.cursors.page(listed, rows, limit, ({ id }) => id);
  }

  /** On every instance within a second. @throws DeviceNotFound */
  async signOut(adminId: string, id: string): Promise<void> {
    if (!isUuid(id)) throw new DeviceNotFound();
    await this.platform.transaction(async (manager) => {
      const [, gone] = await manager.query<[unknown[], number]>(
        'DELETE FROM platform_devices WHERE id = $1 AND user_id = $2',
        [id, adminId],
      );
      if (gone !== 1) throw new DeviceNotFound();
      await this.states.changed(adminId, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.signed-out',
        target: { kind: 'platform-admin', id: adminId },
        details: { device: id },
      });
    });
  }
}
