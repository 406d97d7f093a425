import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followReadme } from '../../scripts/readme.walk.mjs';
import { testEnv } from '../kit/test-env.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';

const run = promisify(execFile);
/** A build, on a machine that does other things, too. */
const LONG = 600_000;
const LEFT_OUT = /^(node_modules|\.git|\.data|\.tenantry|coverage|bench[\\/]out)([\\/]|$)/;
/** Of the test that runs this one, and not for the one that this one runs. */
const OWN = Object.keys(process.env).filter((name) => /^(VITEST|VITE_|TEST|NODE_OPTIONS$|npm_|INIT_CWD$)/.test(name));

let root: string;
let dataDir: string;
let service: TestProcess | undefined;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'tenantry-tutorial-'));
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-tutorial-data-'));
  await cp('.', root, { recursive: true, filter: (file) => !LEFT_OUT.test(path.relative('.', file)) });
  await symlink(path.resolve('node_modules'), path.join(root, 'node_modules'));
  env = { ...Object.fromEntries(OWN.map((name) => [name, undefined])), DATA_DIR: dataDir };
}, LONG);
afterAll(async () => {
  service?.child.kill('SIGTERM');
  await service?.exited;
  for (const folder of [root, dataDir]) await rm(folder, { recursive: true, force: true });
});

const follow = (heading: string, base = 'http://localhost:8001') =>
  followReadme(root, heading, {
    file: 'docs/tutorial.md',
    base,
    env: { ...testEnv(), MASTER_KEY: undefined, ...env },
    limitMs: LONG,
  });
/** A tool of the checkout, in the copy. @returns the exit code and all that it said */
const tool = async (file: string, ...args: string[]): Promise<[number, string]> => {
  const ended = run(process.execPath, [path.join(root, file), ...args], { cwd: root, env: { ...process.env, ...env } });
  return ended.then(
    ({ stdout, stderr }) => [0, stdout + stderr],
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => [code, stdout + stderr],
  );
};
const generate = (...args: string[]) => tool('scripts/run.mjs', 'tenantry', 'generate', 'module', ...args);
const slices = () => readdir(path.join(root, 'src'));

it(
  'docs/tutorial.md generates a module, and none of a name that is no name',
  async () => {
    const before = await slices();
    const [code, said] = await generate('Pets', '--json');
    expect([code, said]).toEqual([5, expect.stringContaining('"code": "module_invalid"')]);
    expect((await generate('pets', '--dry-run'))[1]).toContain('+ export class Pet extends TenantOwned {');
    expect(await slices()).toEqual(before);
    await follow('Generate the module');
    expect((await slices()).filter((name) => !before.includes(name))).toEqual(['pets']);
  },
  LONG,
);

it(
  'it gets a field, a setting and a limit by hand, passes its test, and is not generated again',
  async () => {
    await follow('Add a field by hand');
    await follow('Add a setting and a limit');
    await follow('Test it');
    // Only now is it built: each command builds first what has changed.
    const [code, said] = await generate('pets');
    expect([code, said]).toEqual([4, expect.stringContaining('src/pets is there. [module_exists]')]);
  },
  LONG,
);

it(
  'what came of it is as the house wants it: format, lint, layers and types',
  async () => {
    const own = await readdir(path.join(root, 'migrations/tenant'));
    const files = [
      ...(await readdir(path.join(root, 'src/pets'))).map((file) => `src/pets/${file}`),
      ...own.filter((file) => file.endsWith('-create-pets.ts')).map((file) => `migrations/tenant/${file}`),
      'test/e2e/pets.spec.ts',
      ...['src/app.module.ts', 'src/http/openapi.ts', 'migrations/index.ts', 'test/e2e/browser.spec.ts'],
    ];
    expect(files).toHaveLength(16);
    const told = ['.dependency-cruiser.cjs', 'CONTRIBUTING.md', 'docs/architecture.md'];
    const layers = ['--config', '.dependency-cruiser.cjs', 'src/pets', 'src/app.module.ts', 'migrations'];
    const answers = await Promise.all([
      tool('node_modules/prettier/bin/prettier.cjs', '--check', ...files, ...told),
      tool('node_modules/eslint/bin/eslint.js', ...files),
      tool('node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', ...layers),
    ]);
    for (const [code, said] of answers) expect(code, said).toBe(0);
    // The build has checked what is not a test.
    const { options } = ts.getParsedCommandLineOfConfigFile(path.join(root, 'tsconfig.json'), {}, ts.sys as never)!;
    const spec = path.join(root, 'test/e2e/pets.spec.ts');
    const program = ts.createProgram([spec], options);
    const faults = program.getSemanticDiagnostics(program.getSourceFile(spec));
    expect(faults.map(({ messageText }) => messageText)).toEqual([]);
  },
  LONG,
);

it(
  'the service has pets for each tenant, named by header, path and host',
  async () => {
    const command = [process.execPath, path.join(root, 'scripts/run.mjs'), 'start'];
    service = await startProcess({ DATA_DIR: dataDir }, command);
    await follow('Name the tenant in three ways', `http://localhost:${service.port}`);
  },
  LONG,
);
