import { startApplication } from 'tenantry';
import { NOTES } from './product.js';

process.exit(await startApplication(NOTES));
