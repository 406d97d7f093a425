import { Injectable } from '@nestjs/common';
import { TenantSettings } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import type { Feature } from './feature.js';
import { isWithin, shareOf } from './feature.share.js';

/** Says which features are on for the current caller. */
@Injectable()
export class FeatureFlags {
  constructor(
    private readonly settings: TenantSettings,
    private readonly context: TenantContext,
  ) {}

  /**
   * At once and without a look-up. Under a percentage, users count by their id and visitors by their session; programs and
   * jobs are nobody's, so it is off for them, at 100 too.
   *
   * @throws TenantContextMissing outside a tenant scope
   */
  isOn(feature: Feature): boolean {
    const state = this.settings.get(feature.setting);
    if (typeof state === 'boolean') return state;
    const actor = this.context.actor();
    if (actor?.id === undefined || (actor.kind !== 'user' && actor.kind !== 'visitor')) return false;
    const { id } = this.context.currentOrThrow(`Feature ${feature.name}`);
    return isWithin(shareOf(feature.name, id, actor.id), state.percentage);
  }
}
