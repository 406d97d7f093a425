import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { link, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSetupError, DataDirInUse } from './database.errors.js';

/** Where MASTER_KEY is kept when the environment has none. */
export const MASTER_KEY_FILE = 'master.key';
const LOCK_FILE = 'tenantry.lock';
const UNREADABLE_LOCK_GRACE_MS = 500;
const RECOVERY_SETTLE_MS = 100;

interface LockContent {
  pid: number;
  startedAt: string;
  nonce: string;
}

/** A held lock on a data folder. */
export interface DataDirLock {
  /** Gives the lock back; idempotent. */
  release(): Promise<void>;
}

/**
 * Whether a process exists and is not merely a zombie waiting to be reaped.
 *
 * @param pid process id
 */
export function processAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return procStat(pid)?.[0] !== 'Z';
}

/**
 * A text that differs between two processes that had the same pid at different times.
 *
 * @param pid process id
 * @returns boot id and start time on Linux; an empty text where the platform does not tell
 */
export function processStartToken(pid: number): string {
  const startTime = procStat(pid)?.[19];
  if (startTime === undefined) return '';
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${startTime}`;
  } catch {
    return '';
  }
}

/** Fields of /proc/<pid>/stat from the state (field 3) on. */
function procStat(pid: number): string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The process name before it may itself contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Nonces of the locks this process holds, for platforms without a start token. */
const held = new Set<string>();

/**
 * Makes the calling process the only user of a data folder. The lock of a process that died is taken over.
 *
 * @param dataDir folder to lock; created with mode 0700 if missing
 * @returns the lock, to be released on shutdown
 * @throws DatabaseSetupError when a living process, this one included, already holds the lock
 */
export async function acquireDataDirLock(dataDir: string): Promise<DataDirLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const folder = await realpath(dataDir);
  const file = join(folder, LOCK_FILE);
  const nonce = randomBytes(12).toString('base64url');
  const content: LockContent = { pid: process.pid, startedAt: processStartToken(process.pid), nonce };

  let recovered = false;
  while (!(await createExclusively(file, JSON.stringify(content)))) {
    const text = await readSettled(file);
    if (text === undefined) continue;
    const owner = parse(text);
    if (owner && isHeld(owner)) throw new DataDirInUse(folder, owner.pid);
    await moveAway(file, text);
    recovered = true;
  }
  if (recovered) {
    // A second process that judged the same stale lock may move ours away for a moment before it notices.
    await sleep(RECOVERY_SETTLE_MS);
    const owner = parse((await readSettled(file)) ?? '');
    if (owner?.nonce !== nonce) throw new DataDirInUse(folder, owner?.pid);
  }
  held.add(nonce);
  return {
    release: async () => {
      if (!held.delete(nonce)) return;
      const owner = parse((await readIfThere(file)) ?? '');
      if (owner?.nonce === nonce) await rm(file, { force: true });
    },
  };
}

/**
 * Reads a secret kept in the data folder, making it on first use.
 *
 * @param dataDir folder; created with mode 0700 if missing
 * @param name file name inside the folder; the file has mode 0600
 * @returns 32 random bytes as base64url
 * @throws DatabaseSetupError when the file exists but is empty
 */
export function readOrCreateSecret(dataDir: string, name: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = join(dataDir, name);
  const existing = readSecret(file);
  if (existing !== undefined) return existing;

  const temporary = `${file}.${process.pid}-${randomBytes(6).toString('hex')}`;
  try {
    writeDurably(temporary, newSecret());
    // Unlike a rename, a link never replaces the secret that another process made in the meantime.
    linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readSecret(file)!;
}

/** @returns 32 random bytes as base64url */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * Puts a secret in the place of the one that is there. Whoever reads meanwhile, or after a crash, finds one or the other.
 *
 * @param name file name inside the folder
 */
export function replaceSecret(dataDir: string, name: string, secret: string): void {
  const file = join(dataDir, name);
  const temporary = `${file}.${process.pid}-${randomBytes(6).toString('hex')}`;
  try {
    writeDurably(temporary, secret);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
  const folder = openSync(dataDir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeDurably(file: string, secret: string): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(descriptor, `${secret}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads a secret without making it.
 *
 * @param file path of the secret
 * @returns the secret, or undefined when there is no such file
 * @throws DatabaseSetupError when the file is empty
 */
export function readSecret(file: string): string | undefined {
  let secret: string;
  try {
    secret = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (secret === '') throw new DatabaseSetupError(`The secret ${file} is empty.`, 'Restore it from a backup.');
  return secret;
}

function isHeld(owner: LockContent): boolean {
  if (!processAlive(owner.pid)) return false;
  const token = processStartToken(owner.pid);
  if (token !== '' && owner.startedAt !== '') return token === owner.startedAt;
  return owner.pid !== process.pid || held.has(owner.nonce);
}

async function createExclusively(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a lock away if it still is the one that was judged stale; otherwise puts it back. */
async function moveAway(file: string, judged: string): Promise<void> {
  const aside = `${file}.stale-${process.pid}-${randomBytes(6).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readIfThere(aside)) !== judged) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

/** The lock's text; waits a moment for a lock whose owner has created but not yet written it. */
async function readSettled(file: string): Promise<string | undefined> {
  const deadline = Date.now() + UNREADABLE_LOCK_GRACE_MS;
  for (;;) {
    const text = await readIfThere(file);
    if (text === undefined || parse(text) || Date.now() > deadline) return text;
    await sleep(20);
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string): LockContent | undefined {
  try {
    const value = JSON.parse(text) as Partial<LockContent> | null;
    if (!Number.isSafeInteger(value?.pid) || value!.pid! <= 0) return undefined;
    return { pid: value!.pid!, startedAt: String(value!.startedAt ?? ''), nonce: String(value!.nonce ?? '') };
  } catch {
    return undefined;
  }
}
