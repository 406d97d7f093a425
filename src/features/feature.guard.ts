import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Feature } from './feature.js';
import { FeatureNotInPlan } from './feature.errors.js';
import { FeatureFlags } from './feature.flags.js';

const FEATURE = 'tenantry:feature';

/** Refuses callers for whom the feature is off: 403 `feature_not_in_plan`. Who may call is declared beside it. */
export const RequiresFeature = (feature: Feature) => SetMetadata(FEATURE, feature);

/** Comes after the guard that says who calls. */
@Injectable()
export class FeatureGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly flags: FeatureFlags,
  ) {}

  /** @throws FeatureNotInPlan */
  canActivate(execution: ExecutionContext): boolean {
    const feature = this.reflector.getAllAndOverride<Feature | undefined>(FEATURE, [
      execution.getHandler(),
      execution.getClass(),
    ]);
    if (feature !== undefined && !this.flags.isOn(feature)) throw new FeatureNotInPlan(feature.name);
    return true;
  }
}
