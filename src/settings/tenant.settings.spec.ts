import fc from 'fast-check';
import { Max, Min } from 'class-validator';
import { expect, it } from 'vitest';
import { declareSetting } from './setting.js';
import { effectiveSetting } from './tenant.settings.js';

const rules = { rules: [Min(1), Max(10)], allowed: 'an integer from 1 to 10' };
const LEVELS = [true, false].map((byPlan) =>
  declareSetting<number>({
    key: `spec.effective_${byPlan ? 'by_plan' : 'apart'}`,
    description: 'A level.',
    type: 'integer',
    ...rules,
    default: 5,
    changedBy: 'admin',
    ...(byPlan && { byPlan: true as const }),
  }),
);

/** Allowed, not allowed any more, or not set. */
const stored = fc.oneof(
  fc.integer({ min: 1, max: 10 }),
  fc.constantFrom(0, 11, 2.5, '3', null, true),
  fc.constant(undefined),
);

it('the value in force is the nearest that is set and allowed, whatever was asked before', () => {
  fc.assert(
    fc.property(stored, stored, stored, fc.constantFrom(...LEVELS), (tenant, plan, platform, setting) => {
      const holding = (value: unknown) => (value === undefined ? {} : { [setting.key]: value });
      const owner = {
        settings: holding(tenant),
        inherited: { plan: holding(plan), platform: holding(platform) },
      };
      const layers = [
        { source: 'tenant', value: tenant },
        { source: 'plan', value: setting.byPlan ? plan : undefined },
        { source: 'platform', value: platform },
        { source: 'default', value: 5 },
      ];
      const expected = layers.find(({ value }) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 10);
      expect(effectiveSetting(owner, setting)).toEqual(expected);
      expect(effectiveSetting(owner, setting)).toEqual(expected);
      // The same tenant under another plan, as after a change of the plan.
      const moved = { settings: owner.settings, inherited: { plan: {}, platform: {} } };
      const own = expected?.source === 'tenant' ? expected : { source: 'default', value: 5 };
      expect(effectiveSetting(moved, setting)).toEqual(own);
    }),
  );
});
