export * from './features.module.js';
