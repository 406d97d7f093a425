// The layers, top to bottom. A layer may import what is below it, never what is above or beside it. CONTRIBUTING.md tells
// them to people; a test holds the two together.
const layers = [
  [
    'root',
    '(main|index|start|service|product|shutdown|stop-signal|source-maps|application|app\\.module|generate|cli|testing)(\\.ts$|/)',
  ],
  ['chat', 'chat/'],
  ['session', 'session/'],
  ['files', 'files/'],
  ['domains', 'domains/'],
  ['config', 'config/'],
  ['sandboxes', 'sandboxes/'],
  ['health', 'health/'],
  ['signup', 'signup/'],
  ['admin', 'admin/'],
  ['auth', 'auth/'],
  ['tenant', 'tenant/'],
  // Facilities, by what they rest on in turn.
  ['mail', 'mail/'],
  ['branding and jobs', '(branding|jobs)/'],
  ['outbox and the like', '(broker|cache|http|limits|outbox)/'],
  ['audit and the like', '(audit|fairness|features|fields|redis|resources|secrets)/'],
  ['settings and the like', '(changes|idempotency|logs|metrics|outbound|settings|storage)/'],
  ['tenancy', 'tenancy/'],
  ['database', 'database/'],
  ['env', 'env(\\.ts$|/)'],
  ['common', 'common/'],
];
const spec = '\\.spec\\.ts$';
/** Rows of several slices: `(branding|jobs)/`. */
const shared = layers.slice(1).filter(([, path]) => /^\([a-z|]+\)\/$/.test(path));
const ruleName = (name) => `layers-${name.replaceAll(' ', '-')}`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layers.slice(1).map(([name, path], index) => ({
      name: ruleName(name),
      comment: `${name} may only import the layers below it.`,
      severity: 'error',
      from: { path: `^src/${path}`, pathNot: spec },
      to: {
        path: layers.slice(0, index + 1).map(([, above]) => `^src/${above}`),
      },
    })),
    ...shared.map(([name, path]) => ({
      name: `${ruleName(name)}-beside`,
      comment: `Of ${name}, none may import another.`,
      severity: 'error',
      from: { path: `^src/${path}`, pathNot: spec },
      to: { path: `^src/${path}`, pathNot: '^src/$1/' },
    })),
    {
      name: 'known-layer',
      comment: 'Every file in src belongs to a layer; add a new folder to the list above.',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: layers.map(([, path]) => `^src/${path}`) },
    },
    {
      name: 'slices-through-index',
      comment: 'A slice is imported through its index.ts only.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: spec },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$'] },
    },
    {
      name: 'root-through-index',
      comment: 'The files at the top of src import slices through their index.ts only.',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$', pathNot: spec },
      to: { path: '^src/[^/]+/', pathNot: '^src/[^/]+/index\\.ts$' },
    },
    {
      name: 'no-circular',
      comment: 'No import cycles, type-only imports aside.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'migrations',
      comment: 'Migrations may import the index of tenancy and database, nothing else of src.',
      severity: 'error',
      from: { path: '^migrations/' },
      to: { path: '^src/', pathNot: '^src/(tenancy|database)/index\\.ts$' },
    },
    {
      name: 'src-not-to-tests',
      comment: 'Production code does not import tests, benches or examples.',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: spec },
      to: { path: ['^(test|bench|examples)/', spec] },
    },
    {
      name: 'examples-are-strangers',
      comment: 'What is built on Tenantry imports it as tenantry, which is src/index.ts here, and nothing else of it.',
      severity: 'error',
      from: { path: '^examples/[^/]+/src/' },
      to: { path: '^(src|migrations|test|bench|dist|scripts)/', pathNot: '^src/index\\.ts$' },
    },
    {
      name: 'examples-slices-through-index',
      comment: 'A slice of an example is imported through its index.ts only.',
      severity: 'error',
      from: { path: '^examples/([^/]+)/src/([^/]+)/' },
      to: {
        path: '^examples/$1/src/[^/]+/',
        pathNot: ['^examples/$1/src/$2/', '^examples/$1/src/[^/]+/index\\.ts$'],
      },
    },
    {
      name: 'resolvable',
      comment: 'Every relative import resolves.',
      severity: 'error',
      from: {},
      to: { path: '^\\.', couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
