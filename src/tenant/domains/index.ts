export * from './certificate.question.js';
export * from './domain.checks.js';
export * from './domain.errors.js';
export * from './domain.notices.js';
export * from './domains.service.js';
export * from './tenant-domain.js';
