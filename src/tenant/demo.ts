import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ImportReport, TenantImport } from './registry/tenant.import.js';
import { readTenantsFile, TenantsFileError } from './registry/tenants-file.js';

/** The demo's tenants, in the order of `tenants.jsonl`. */
export const DEMO_SLUGS = ['acme', 'globex', 'initech'];

const DEMO_ORIGINS = ['http://localhost:3000', 'http://localhost:4200', 'http://localhost:5173'];

/** Where this package is, wherever whoever imports it was started. */
function packageFolder(folder = import.meta.dirname): string {
  return existsSync(path.join(folder, 'package.json')) ? folder : packageFolder(path.dirname(folder));
}

/** Loads the demo tenants that are missing; never overwrites one. */
export async function loadDemoTenants(registry: TenantImport): Promise<ImportReport> {
  const lines = await readTenantsFile(path.join(packageFolder(), 'tenants.jsonl'));
  const demo = lines.filter((line) => DEMO_SLUGS.includes(line.slug));
  const report: ImportReport = { created: 0, updated: 0, unchanged: 0 };
  for (const line of demo) {
    try {
      const { created, unchanged } = await registry.import([line], {
        mode: 'missing',
        defaults: { 'cors.origins': DEMO_ORIGINS },
      });
      report.created += created;
      report.unchanged += unchanged;
    } catch (error) {
      // Renamed or retired by somebody: not missing, and no reason not to start.
      if (!(error instanceof TenantsFileError)) throw error;
      report.unchanged += 1;
    }
  }
  return report;
}
