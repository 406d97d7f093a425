export * from './after.commit.js';
export * from './change-feed.js';
export * from './changes.module.js';
export * from './tenant.feed.js';
