export { cliReference } from './reference.js';
export { runCommandLine } from './run.js';
