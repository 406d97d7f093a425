import { startApplication } from 'tenantry';
import { PETSTORE } from './product.js';

process.exit(await startApplication(PETSTORE));
