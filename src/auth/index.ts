export * from './access.decorator.js';
export * from './access.guard.js';
export * from './auth.errors.js';
