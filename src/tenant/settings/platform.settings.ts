import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { ChangeFeed } from '../../changes/index.js';
import type { SettingMap } from './settings.owner.js';
import { announceInherited } from './inherited.announcement.js';

const LOCK = 'SELECT settings, revision FROM platform_settings FOR UPDATE';
const UPDATE = 'UPDATE platform_settings SET settings = $1, revision = revision + 1, updated_at = now()';

/** What the operator sets for all tenants. */
@Injectable()
export class PlatformSettings {
  constructor(
    private readonly audit: PlatformAudit,
    private readonly feed: ChangeFeed,
  ) {}

  async lock(manager: EntityManager): Promise<{ settings: SettingMap; revision: number }> {
    const [row] = await manager.query<[{ settings: SettingMap; revision: number }]>(LOCK);
    return row;
  }

  /** @param shown what of before and after is audited */
  async store(manager: EntityManager, settings: SettingMap, shown: { before: unknown; after: unknown }): Promise<void> {
    await manager.query(UPDATE, [JSON.stringify(settings)]);
    const target = { kind: 'platform', id: 'settings' };
    await this.audit.record(manager, { event: 'platform.settings_changed', target, ...shown });
    await announceInherited(manager, this.feed);
  }
}
