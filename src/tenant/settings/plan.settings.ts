import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { afterCommit, ChangeFeed } from '../../changes/index.js';
import { UnknownPlan } from '../plan.registry.js';
import { PLANS_CHANNEL } from '../postgres-plan.reserves.js';
import { announceInherited } from './inherited.announcement.js';
import type { SettingMap } from './settings.owner.js';

const LOCK = 'SELECT settings, revision FROM plans WHERE name = $1 FOR UPDATE';
const UPDATE = `UPDATE plans SET settings = $2, revision = revision + 1, updated_at = now() WHERE name = $1`;
const NOTIFY = 'SELECT pg_notify($1, $2)';

/** What plans set for their tenants. */
@Injectable()
export class PlanSettings {
  constructor(
    private readonly audit: PlatformAudit,
    private readonly feed: ChangeFeed,
  ) {}

  /** @throws UnknownPlan */
  async lock(manager: EntityManager, name: string): Promise<{ settings: SettingMap; revision: number }> {
    const [plan] = await manager.query<{ settings: SettingMap; revision: number }[]>(LOCK, [name]);
    if (!plan) throw new UnknownPlan();
    return plan;
  }

  /** @param shown what of before and after is audited */
  async store(
    manager: EntityManager,
    name: string,
    settings: SettingMap,
    shown: { before: unknown; after: unknown },
  ): Promise<void> {
    await manager.query(UPDATE, [name, JSON.stringify(settings)]);
    const target = { kind: 'plan', id: name };
    await this.audit.record(manager, { event: 'plan.settings_changed', target, ...shown });
    await manager.query(NOTIFY, [PLANS_CHANNEL, '']);
    afterCommit(manager, () => this.feed.emit(PLANS_CHANNEL, undefined));
    await announceInherited(manager, this.feed);
  }
}
