export * from './cache.module.js';
export { type CacheNamespace, MAX_TTL_MS } from './cache.namespace.js';
export * from './cache.settings.js';
export * from './tenant.cache.js';
