import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { CursorInvalid, isUuid, type Page } from '../../common/index.js';
import { CredentialCodec, InjectPlatformDataSource, NO_TENANT } from '../../tenancy/index.js';
import type { SignedInDevice } from '../devices/device.dto.js';
import { DeviceNotFound } from '../devices/devices.service.js';
import { AdminStates } from './admin-states.js';

/** Where a platform admin is signed in. */
@Injectable()
export class PlatformDevices {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly states: AdminStates,
    private readonly credentials: CredentialCodec,
    private readonly audit: PlatformAudit,
  ) {}

  /** The newest sign-in first. @throws CursorInvalid */
  async list(adminId: string, limit: number, cursor: string | undefined): Promise<Page<SignedInDevice>> {
    const owner = `platform-devices:${adminId}`;
    const before = cursor === undefined ? undefined : this.credentials.openCursor(NO_TENANT, owner, cursor);
    if (cursor !== undefined && before === undefined) throw new CursorInvalid();
    const rows = await this.platform.query<SignedInDevice[]>(
      `SELECT id, name, address, created_at AS "createdAt", last_used_at AS "lastUsedAt" FROM platform_devices
        WHERE user_id = $1 AND expires_at > now() AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [adminId, before, limit + 1],
    );
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    const next = last ? this.credentials.sealCursor(NO_TENANT, owner, last.id) : null;
    return { items: rows.slice(0, limit), next_cursor: next };
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
