export * from './logs.module.js';
export * from './redact-path.js';
