export * from './feature.js';
export * from './feature.errors.js';
export * from './feature.flags.js';
export * from './feature.guard.js';
export * from './features.module.js';
