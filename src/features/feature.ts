import { declareSetting, Satisfies, type Setting, type SettingEditor } from '../settings/index.js';

/** On or off for all, or on for a share of the users, in percent. */
export type FeatureState = boolean | { readonly percentage: number };

/** What a module says of a feature that it owns. */
export interface FeatureDeclaration {
  /** Of a-z, 0-9 and _; the setting is `features.<name>`. */
  name: string;
  /** What it brings, in a sentence for whoever turns it on. */
  description: string;
  default: FeatureState;
  /** As of a setting; `platform` when left out, so that no tenant gives itself what its plan does not hold. */
  changedBy?: SettingEditor;
}

/** A declared feature. */
export interface Feature {
  readonly name: string;
  readonly description: string;
  readonly setting: Setting<FeatureState>;
}

const NAME = /^[a-z][a-z0-9_]*$/;
const declared = new Map<string, Feature>();

/**
 * Declares a feature once, beside the module that owns it. Plans, the platform and tenants turn it on as they set any
 * other setting.
 *
 * @throws Error when the name is taken or no name, or the default is not allowed
 */
export function declareFeature({ name, description, default: state, changedBy }: FeatureDeclaration): Feature {
  if (!NAME.test(name)) throw new Error(`Feature ${name}: a name is a word of a-z, 0-9 and _.`);
  const setting = declareSetting<FeatureState>({
    key: `features.${name}`,
    description,
    rules: [Satisfies('isFeatureState', isFeatureState)],
    allowed: 'true, false or {"percentage": 0 to 100}',
    default: state,
    changedBy: changedBy ?? 'platform',
    byPlan: true,
    schema: SCHEMA,
  });
  const feature = Object.freeze({ name, description, setting });
  declared.set(name, feature);
  return feature;
}

/** By name. */
export function declaredFeatures(): Feature[] {
  return [...declared.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const SCHEMA = {
  oneOf: [
    { type: 'boolean' },
    {
      type: 'object',
      properties: { percentage: { type: 'number', minimum: 0, maximum: 100 } },
      required: ['percentage'],
      additionalProperties: false,
    },
  ],
};

function isFeatureState(value: unknown): value is FeatureState {
  if (typeof value === 'boolean') return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'percentage') return false;
  const { percentage } = value as { percentage: unknown };
  return typeof percentage === 'number' && percentage >= 0 && percentage <= 100;
}
