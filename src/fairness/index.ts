export * from './fair.slots.js';
export * from './fairness.metrics.js';
export * from './fairness.module.js';
export * from './fairness.settings.js';
export * from './tenant.admission.js';
