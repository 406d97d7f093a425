import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireDataDirLock, processAlive, readOrCreateSecret } from '../../src/database/data-dir.js';
import { DatabaseSetupError } from '../../src/database/database.errors.js';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';

const folders: string[] = [];
const servers: EmbeddedPostgres[] = [];
const LIMIT = 60_000;

async function folder(parent = tmpdir()): Promise<string> {
  const path = await mkdtemp(join(parent, 'tenantry-pg-'));
  folders.push(path);
  return path;
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const server = await EmbeddedPostgres.start({ dataDir });
  servers.push(server);
  return server;
}

const postmaster = async (dataDir: string): Promise<number> =>
  parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'));

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A process that starts a server on its own and says its URL. */
async function owner(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const source = new URL('../../src/database/embedded-postgres.ts', import.meta.url).href;
  // Type stripping alone cannot run the sources: their imports end in .js.
  const hook = `import { registerHooks } from 'node:module';
    import { readFileSync } from 'node:fs';
    import ts from 'typescript';
    registerHooks({
      resolve: (specifier, context, next) => next(specifier.startsWith('./') ? specifier.replace(/js$/, 'ts') : specifier, context),
      load: (url, context, next) => url.endsWith('.ts')
        ? { format: 'module', shortCircuit: true, source: ts.transpile(readFileSync(new URL(url), 'utf8'), { module: 'esnext', target: 'es2024' }) }
        : next(url, context),
    });
    const { EmbeddedPostgres } = await import(${JSON.stringify(source)});
    console.log((await EmbeddedPostgres.start({ dataDir: ${JSON.stringify(dataDir)} })).url);
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', hook], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((done, fail) => {
    child.stdout.once('data', (text: Buffer) => done(text.toString().trim()));
    child.once('exit', (code) => fail(new Error(`The owner exited with ${code}.`)));
  });
  return { child, url };
}

async function pidIn(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});

describe('EmbeddedPostgres', () => {
  it('keeps its data from one start to the next and ends in between', { timeout: LIMIT }, async () => {
    const dataDir = await folder();
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBeUndefined();
    const first = await start(dataDir);
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBe(first.url);
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    const settings = `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('fsync') AS fsync,
      current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS sockets`;
    expect(await query(first.url, settings)).toEqual([{ major: 18, fsync: 'on', listen: '127.0.0.1', sockets: '' }]);
    const pid = await pidIn(dataDir);
    await Promise.all([first.stop(), first.stop()]);
    expect(processAlive(pid)).toBe(false);
    expect(await EmbeddedPostgres.findRunning(dataDir)).toBeUndefined();

    const second = await start(dataDir);
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('takes over after its owner was killed', { timeout: LIMIT }, async () => {
    const dataDir = await folder();
    const { child, url } = await owner(dataDir);
    await query(url, 'CREATE TABLE kept AS SELECT 8 AS value');
    const left = await pidIn(dataDir);
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
    expect(processAlive(left)).toBe(true);

    const next = await start(dataDir);
    expect(processAlive(left)).toBe(false);
    expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 8 }]);
  });

  it(
    'starts although the pid of a stale postmaster.pid was reused, and removes a killed init',
    { timeout: LIMIT },
    async () => {
      const dataDir = await folder();
      await mkdir(join(dataDir, 'postgres.init-1', 'cluster'), { recursive: true });
      await (await start(dataDir)).stop();
      await expect(stat(join(dataDir, 'postgres.init-1'))).rejects.toThrow('ENOENT');
      const other = spawn('sleep', ['60'], { stdio: 'ignore' });
      try {
        await writeFile(
          join(dataDir, 'postgres', 'postmaster.pid'),
          `${other.pid}\n${dataDir}/postgres\n1\n1\n\n\n\nready\n`,
        );
        expect(await EmbeddedPostgres.findRunning(dataDir)).toBeUndefined();
        await start(dataDir);
        expect(other.exitCode).toBeNull();
      } finally {
        other.kill();
      }
    },
  );

  it('refuses a cluster of another major version and leaves it alone', { timeout: LIMIT }, async () => {
    const dataDir = await folder();
    await mkdir(join(dataDir, 'postgres'));
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '15\n');
    await expect(start(dataDir)).rejects.toThrow(/PostgreSQL 15, this server is PostgreSQL 18.*DATABASE_URL/s);
    expect(await readFile(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8')).toBe('15\n');
  });

  it('tells the tail of the log when the server does not start', { timeout: LIMIT }, async () => {
    const dataDir = await folder();
    const starting = EmbeddedPostgres.start({ dataDir, settings: { no_such_setting: 'on' } });
    await expect(starting).rejects.toThrow(/no_such_setting/);
  });

  it('runs side by side with a server of another folder', { timeout: LIMIT }, async () => {
    const [one, two] = await Promise.all([start(await folder()), start(await folder())]);
    expect(one.port).not.toBe(two.port);
    await query(one.url, 'CREATE TABLE mine ()');
    expect(await query(two.url, `SELECT to_regclass('mine') AS found`)).toEqual([{ found: null }]);
  });

  it.runIf(process.getuid?.() === 0)(
    'runs as root under a private folder, unprivileged',
    { timeout: LIMIT },
    async () => {
      const parent = await folder();
      await chmod(parent, 0o700);
      const dataDir = join(parent, 'data');
      const server = await start(dataDir);
      await query(server.url, 'CREATE TABLE kept AS SELECT generate_series(1, 1000)');
      await query(server.url, 'CHECKPOINT');
      const status = await readFile(`/proc/${await pidIn(dataDir)}/status`, 'utf8');
      expect(status).not.toMatch(/^Uid:\s+0/m);
      // No more than one capability, the one to reach the folder.
      expect(status).toMatch(/^CapEff:\s+0+[24]$/m);
      expect((await stat(parent)).mode & 0o777).toBe(0o700);
    },
  );

  it('comes back on the same port when it is killed, as often as it is, and not once it was stopped', async () => {
    const dataDir = await folder();
    const server = await EmbeddedPostgres.start({ dataDir, keepUp: true });
    servers.push(server);
    await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    for (let round = 0; round < 2; round += 1) {
      const killed = await postmaster(dataDir);
      process.kill(killed, 'SIGKILL');
      await expect
        .poll(() => query(server.url, 'SELECT one FROM kept').catch(() => []), { timeout: LIMIT })
        .toEqual([{ one: 1 }]);
      expect(await postmaster(dataDir)).not.toBe(killed);
    }
    process.kill(await postmaster(dataDir), 'SIGKILL');
    await server.stop();
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('the data folder', () => {
  it('has one user at a time', async () => {
    const dataDir = join(await folder(), 'data');
    const lock = await acquireDataDirLock(dataDir);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    const refused = acquireDataDirLock(dataDir);
    await expect(refused).rejects.toThrow(DatabaseSetupError);
    await expect(refused).rejects.toThrow(`pid ${process.pid}`);
    await lock.release();
    await lock.release();
    await (await acquireDataDirLock(dataDir)).release();
  });

  it('refuses while another living process holds it', async () => {
    const dataDir = await folder();
    const holder = await heldBySleep(dataDir);
    try {
      await expect(acquireDataDirLock(dataDir)).rejects.toThrow(/set another DATA_DIR and PORT/);
    } finally {
      holder.kill();
    }
  });

  it.each([
    ['a dead process', JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 'x' })],
    ['our pid in another life', JSON.stringify({ pid: process.pid, startedAt: 'boot:1' })],
    ['a process killed while writing it', ''],
  ])('recovers the lock of %s, once', async (_name, text) => {
    const dataDir = await folder();
    await writeFile(join(dataDir, 'tenantry.lock'), text);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquireDataDirLock(dataDir)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });

  it('keeps a secret', async () => {
    const dataDir = await folder();
    const secret = readOrCreateSecret(dataDir, 'some.secret');
    expect(secret).toMatch(/^[\w-]{43}$/);
    expect(readOrCreateSecret(dataDir, 'some.secret')).toBe(secret);
    expect((await stat(join(dataDir, 'some.secret'))).mode & 0o777).toBe(0o600);
  });
});

async function heldBySleep(dataDir: string): Promise<ChildProcess> {
  const { processStartToken } = await import('../../src/database/data-dir.js');
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const content = { pid: child.pid, startedAt: processStartToken(child.pid!) };
  await writeFile(join(dataDir, 'tenantry.lock'), JSON.stringify(content));
  return child;
}
