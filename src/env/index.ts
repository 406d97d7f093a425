export * from './env.js';
export { EnvError } from './env.reader.js';
export { mailHost } from './mail.js';
export type { BackupBucket } from './topics/backups.topic.js';
export type { LogLevel, ProcessRole } from './topics/process.topic.js';
export type { TenantStrategy } from './topics/tenants.topic.js';
