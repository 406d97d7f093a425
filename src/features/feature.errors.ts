import { AppError } from '../common/index.js';

/** The route belongs to a feature that is off for this caller: 403. */
export class FeatureNotInPlan extends AppError {
  constructor(feature: string) {
    super({
      status: 403,
      code: 'feature_not_in_plan',
      detail: `The feature ${feature} is not on for you.`,
      remedy: 'Ask for a plan that includes it, or for the feature to be turned on.',
      extensions: { feature },
    });
  }
}
