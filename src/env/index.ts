export * from './env.js';
export { EnvError } from './env.reader.js';
export { mailHost } from './mail.js';
export type { Bucket } from './topics/bucket.js';
export type { LogLevel, ProcessRole } from './topics/process.topic.js';
export type { TenantStrategy } from './topics/tenants.topic.js';
