export * from './demo.js';
export * from './domains/index.js';
export * from './plans.js';
export * from './reserved-slugs.js';
export * from './tenant.module.js';
export * from './tenant.registry.js';
export * from './tenants-file.js';
