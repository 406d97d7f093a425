export const PLANS = ['free', 'basic', 'pro', 'premium', 'enterprise', 'unlimited'] as const;
export type Plan = (typeof PLANS)[number];
