import { runCommandLine } from 'tenantry';
import { PETSTORE } from './product.js';

process.exit(await runCommandLine(process.argv.slice(2), PETSTORE));
