export * from './history.js';
export * from './history.errors.js';
export { HistoryJobs } from './history.jobs.js';
export { HistoryReplay, type Replay } from './history.replay.js';
export { HistoryStore } from './history.store.js';
export { TenantHistories } from './tenant.histories.js';
