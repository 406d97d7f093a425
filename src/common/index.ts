export * from './app.error.js';
export * from './ids.js';
export * from './secrets.js';
export * from './pagination.js';
export * from './sealed.js';
export * from './address-bucket.js';
export * from './bearer.js';
export * from './work-loop.js';
