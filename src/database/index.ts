export * from './database.errors.js';
export { JOBS_SCHEMA } from './job-schema.js';
export * from './migrator.js';
export * from './prepare.js';
export * from './roles.js';
export { EmbeddedPostgres } from './embedded-postgres.js';
export { snapshotCatalog } from './catalog.js';
export * from './database.module.js';
export * from './hourly-purge.js';
