import { startApplication } from './start.js';

process.exit(await startApplication());
