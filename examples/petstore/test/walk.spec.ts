import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followReadme } from '../../../scripts/readme.walk.mjs';
import { PNG } from '../../../test/kit/files.js';
import { testEnv } from '../../../test/kit/test-env.js';
import { startProcess, type TestProcess } from '../../../test/kit/test-process.js';

const run = promisify(execFile);
/** A build, on a machine that does other things, too. */
const LONG = 600_000;
const OUT = /^(node_modules|dist|\.data)([\\/]|$)/;

let above: string;
let root: string;
let store: TestProcess | undefined;
beforeAll(async () => {
  // A checkout with the packages and the build, and in it a store that knows Tenantry by a link, as `npm install` makes it.
  above = await mkdtemp(path.join(os.tmpdir(), 'tenantry-petstore-'));
  root = path.join(above, 'examples', 'petstore');
  const own = path.resolve('examples/petstore');
  await cp(own, root, { recursive: true, filter: (file) => !OUT.test(path.relative(own, file)) });
  for (const name of ['node_modules', 'dist', 'tsconfig.json'])
    await symlink(path.resolve(name), path.join(above, name));
  await mkdir(path.join(root, 'node_modules'));
  await symlink(path.resolve('.'), path.join(root, 'node_modules', 'tenantry'));
  await run(process.execPath, [path.resolve('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], { cwd: root });
  await writeFile(path.join(root, 'rex.png'), PNG);
  store = await startProcess(place(), [process.execPath, 'dist/main.js'], root);
}, LONG);
afterAll(async () => {
  store?.child.kill('SIGTERM');
  await store?.exited;
  await rm(above, { recursive: true, force: true });
});

const place = () => ({ DATA_DIR: path.join(above, 'data') });

it('started in its own folder, the store shows what its README walks through', async () => {
  await followReadme(root, 'A walk', { base: `http://localhost:${store!.port}`, env: {} });
});

it('its command line, started there as well, works on the same tenants', async () => {
  const env = { PATH: process.env['PATH'], ...testEnv({ MASTER_KEY: undefined, ...place() }) };
  const { stdout } = await run(process.execPath, ['dist/cli.js', 'tenants', 'list', '--json'], { cwd: root, env });
  const { items } = JSON.parse(stdout) as { items: { slug: string }[] };
  expect(items.map(({ slug }) => slug).sort()).toEqual(['acme', 'globex', 'initech']);
});
