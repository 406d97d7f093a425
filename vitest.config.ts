import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { machineHas } from './test/kit/needs.js';
import { findPgBouncer } from './test/kit/pgbouncer.js';

const INSTALLATION = 'is about the installation, its server or its connections as such';
const CONTROL_PLANE = 'is about the registry, the job engine or platform admins; the tenants it makes are mere entries';
const PROCESS = 'starts processes of its own, which know no more of places than the application in the other specs';
const CHOOSES = 'chooses the places itself';
const BROWSER = 'is about pages and documents';

/**
 * Every spec runs with tenants in shared tables. Those of the data plane run again, unmodified, with each imported tenant
 * in a schema of its own, in a database of its own, and in shared tables through PgBouncer with one server connection. A
 * new spec is taken for one of the data plane; those that are not are listed here, each with its reason.
 */
const STAYS_OUT = {
  'integration/after-commit': CONTROL_PLANE,
  'integration/lost-connections': CONTROL_PLANE,
  'integration/silent-places': CHOOSES,
  'integration/tenant-cache': 'touches no rows',
  'integration/shared-sign-ins': 'is about counts in Redis',
  'integration/tenant-broker': 'touches no rows',
  'integration/plan-reserves': CONTROL_PLANE,
  'integration/boot-preconditions': INSTALLATION,
  'integration/change-feed': INSTALLATION,
  'integration/citus': INSTALLATION,
  'integration/connection-broker': INSTALLATION,
  'integration/embedded-postgres': INSTALLATION,
  'integration/external-postgres': INSTALLATION,
  'integration/history': CHOOSES,
  'integration/history-kept': CHOOSES,
  'integration/hourly-purge': INSTALLATION,
  'integration/migrations': INSTALLATION,
  'integration/pgbouncer': 'brings a pooler of its own',
  'integration/archive': CHOOSES,
  'integration/backups': CHOOSES,
  'integration/backups-s3': CHOOSES,
  'integration/recovery': CHOOSES,
  'integration/files-kept': CHOOSES,
  'integration/files-s3': 'is about files and objects',
  'integration/object-storage': 'is about files and objects',
  'integration/backup-storage': 'is about files and objects',
  'e2e/archives': CHOOSES,
  'integration/changes-of-places': CHOOSES,
  'integration/place-migrations': CHOOSES,
  'integration/place-versions': CHOOSES,
  'integration/erasure-proof': CHOOSES,
  'integration/fence': CHOOSES,
  'integration/moves': CHOOSES,
  'integration/moves-crash': CHOOSES,
  'integration/moves-follow': CHOOSES,
  'integration/placements': CHOOSES,
  'integration/restores': CHOOSES,
  'integration/restores-crash': CHOOSES,
  'integration/purges-of-places': CHOOSES,
  'integration/spares': CHOOSES,
  'e2e/servers': CHOOSES,
  'e2e/isolation': 'is a sample of what npm run prove:isolation does in each model',
  'e2e/directory': "is about a tenant's LDAP server",
  'e2e/limits': 'is about counts in memory',
  'e2e/flood': 'is about counts in memory',
  'e2e/shared-limits': 'is about counts in Redis',
  'e2e/migrate-crash': CHOOSES,
  'integration/burst': CHOOSES,
  'integration/prepared-statements': INSTALLATION,
  'integration/layers': 'takes layers away from the shared tables',
  'integration/slow-clients': 'touches no rows',
  'integration/crons': CONTROL_PLANE,
  'integration/import': CONTROL_PLANE,
  'integration/job-erasure': CONTROL_PLANE,
  'integration/jobs': CONTROL_PLANE,
  'integration/mail': 'is about SMTP',
  'integration/mail-servers': 'is about SMTP',
  'integration/mail-file': 'is about files of mail',
  'integration/model-servers': 'is about HTTP to model servers',
  'integration/provisioning-fence': CONTROL_PLANE,
  'integration/retirement': CONTROL_PLANE,
  'integration/secrets': CONTROL_PLANE,
  'integration/tenant-events': CONTROL_PLANE,
  'integration/tenant-lists': CONTROL_PLANE,
  'integration/tenant-resources': CONTROL_PLANE,
  'e2e/admin-jobs': CONTROL_PLANE,
  'e2e/example-module': CONTROL_PLANE,
  'e2e/features': CONTROL_PLANE,
  'e2e/config': CONTROL_PLANE,
  'e2e/resources': CONTROL_PLANE,
  'e2e/admin-tenants': CONTROL_PLANE,
  'e2e/domains': CONTROL_PLANE,
  'e2e/platform-admins': CONTROL_PLANE,
  'e2e/provisioning': CONTROL_PLANE,
  'e2e/signup': CONTROL_PLANE,
  'e2e/signing-keys': CONTROL_PLANE,
  'e2e/tenant-lifecycle': CONTROL_PLANE,
  'e2e/cli': PROCESS,
  'e2e/cli-moves': PROCESS,
  'e2e/mail-process': PROCESS,
  'e2e/master-key': INSTALLATION,
  'e2e/nginx': PROCESS,
  'e2e/process': PROCESS,
  'e2e/process-roles': PROCESS,
  'e2e/shutdown': PROCESS,
  'e2e/tutorial': PROCESS,
  'e2e/abuse': 'makes tenants in shared tables, and looks into these',
  'e2e/browser': BROWSER,
  'e2e/openapi': BROWSER,
  'adopt/adopt': 'is about how an application becomes a product',
  'petstore/outside': 'starts a database of its own',
  'petstore/places': CHOOSES,
  'petstore/walk': PROCESS,
};

const EXAMPLES = 'examples/*/test/*.spec.ts';

/** Those of examples are `petstore/places`. */
const fileOf = (spec: string): string => {
  const [folder, name] = spec.split('/') as [string, string];
  return ['integration', 'e2e'].includes(folder) ? `test/${spec}.spec.ts` : `examples/${folder}/test/${name}.spec.ts`;
};

/**
 * Of those that run again, specs about who may do what and how people prove who they are: once more with each tenant in a
 * schema of its own. What a database of its own or a pooler changes is how statements get there, which the others see to.
 */
const WITH_SCHEMAS_ONLY = [
  'e2e/account',
  'e2e/api-keys',
  'e2e/audited-changes',
  'e2e/custom-fields',
  'e2e/encrypted-chat',
  'e2e/failed-sign-ins',
  'e2e/files',
  'e2e/grants',
  'e2e/impersonation',
  'e2e/invitations',
  'e2e/mfa',
  'e2e/owned-sessions',
  'e2e/personal-data',
  'e2e/roles',
  'e2e/sign-in',
  'e2e/sso',
  'e2e/token-attacks',
  'e2e/users',
  'e2e/which-tenants',
];

const MODELS = ['shared', 'schema', 'database', 'pgbouncer'] as const;
/** TEST_MODELS leaves some out, while working. */
const asked: readonly string[] = process.env['TEST_MODELS']?.split(',') ?? MODELS;
const hint = 'install pgbouncer, or set PGBOUNCER to its path, for the model pgbouncer';
const models = MODELS.filter(
  (model) => asked.includes(model) && (model !== 'pgbouncer' || machineHas(findPgBouncer(), hint)),
);

export default defineConfig({
  test: {
    globalSetup: './test/kit/global-setup.ts',
    maxWorkers: 2,
    reporters: ['default', './scripts/vitest-reporter.mjs'],
    projects: models.map((model) => ({
      // What examples import by its name is what is being tested, and the same as what the kit imports.
      resolve: {
        alias: { 'tenantry/testing': path.resolve('src/testing/index.ts'), tenantry: path.resolve('src/index.ts') },
      },
      test: {
        name: model,
        provide: { model },
        environment: 'node',
        pool: 'forks',
        ...(model === 'shared'
          ? { include: ['src/**/*.spec.ts', 'test/**/*.spec.ts', EXAMPLES] }
          : {
              // What a pooler changes, the specs of the kernel see to.
              include: ['test/{integration,e2e}/*.spec.ts', ...(model === 'pgbouncer' ? [] : [EXAMPLES])],
              exclude: [...Object.keys(STAYS_OUT), ...(model === 'schema' ? [] : WITH_SCHEMAS_ONLY)].map(fileOf),
            }),
        // Generous: a busy machine is no reason to fail. What takes long hangs.
        testTimeout: 120_000,
        hookTimeout: 120_000,
        expect: { poll: { timeout: 30_000 } },
      },
    })),
  },
});
