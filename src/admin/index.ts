export * from './admin-tenants.module.js';
