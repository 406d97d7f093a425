export * from './env.js';
export { mailHost } from './mail.js';
