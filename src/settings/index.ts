export * from './setting.js';
export * from './setting.layers.js';
export * from './tenant.settings.js';
