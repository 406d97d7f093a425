import { runCommandLine } from 'tenantry';
import { NOTES } from './product.js';

process.exit(await runCommandLine(process.argv.slice(2), NOTES));
