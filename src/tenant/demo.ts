import path from 'node:path';
import type { ImportReport, TenantImport } from './registry/tenant.import.js';
import { readTenantsFile } from './registry/tenants-file.js';

/** The demo's tenants, in the order of `tenants.jsonl`. */
export const DEMO_SLUGS = ['acme', 'globex', 'initech'];

const DEMO_ORIGINS = ['http://localhost:3000', 'http://localhost:4200', 'http://localhost:5173'];

/** Loads the demo tenants that are missing; never overwrites one. */
export async function loadDemoTenants(registry: TenantImport, root = process.cwd()): Promise<ImportReport> {
  const lines = await readTenantsFile(path.join(root, 'tenants.jsonl'));
  const demo = lines.filter((line) => DEMO_SLUGS.includes(line.slug));
  return registry.import(demo, { mode: 'missing', defaults: { 'cors.origins': DEMO_ORIGINS } });
}
