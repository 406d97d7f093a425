export { SignupModule } from './signup.module.js';
export { SignupPurge } from './signup.purge.js';
