import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processAlive } from '../../src/database/data-dir.js';
import {
  connectRaw,
  launch,
  NPM_START,
  post,
  type RawConnection,
  type StartingProcess,
  WRAPPER,
} from '../kit/test-process.js';

describe('a stop', { timeout: 120_000 }, () => {
  let dataDir: string;
  const running: StartingProcess[] = [];
  const begin = (command?: string[]): StartingProcess => {
    const started = launch({ DATA_DIR: dataDir, LOG_LEVEL: 'info' }, command);
    running.push(started);
    return started;
  };
  const open = async (port: number): Promise<string> =>
    ((await post(port, '/session', { tenant_id: 'acme' })).json as { session_id: string }).session_id;
  const inDataDir = (name: string): Promise<string> => readFile(path.join(dataDir, name), 'utf8');
  const servicePid = async (): Promise<number> => (JSON.parse(await inDataDir('tenantry.lock')) as { pid: number }).pid;
  const postgresPid = async (): Promise<number> => parseInt(await inDataDir('postgres/postmaster.pid'));

  /** The database was shut down and not lost, nobody holds the folder, and nothing half-made is left. */
  const expectCleanStop = async (): Promise<void> => {
    await expect(stat(path.join(dataDir, 'tenantry.lock'))).rejects.toThrow('ENOENT');
    await expect(stat(path.join(dataDir, 'postgres', 'postmaster.pid'))).rejects.toThrow('ENOENT');
    expect((await inDataDir('postgres.log')).trim()).toMatch(/database system is shut down$/);
  };
  const messages = async (port: number, session: string): Promise<string[]> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/sessions/current/messages`, {
      headers: { 'x-tenant-id': 'acme', authorization: `Session ${session}` },
    });
    return ((await response.json()) as { items: { content: string }[] }).items.map((item) => item.content);
  };

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-shutdown-'));
  });
  afterEach(async () => {
    const pids = await Promise.all([servicePid().catch(() => 0), postgresPid().catch(() => 0)]);
    for (const pid of [...running.splice(0).map(({ child }) => -child.pid!), ...pids]) {
      try {
        if (pid !== 0) process.kill(pid, 'SIGKILL');
      } catch {
        // Gone, as it should be.
      }
    }
    await expect.poll(() => pids.filter((pid) => pid > 0 && processAlive(pid))).toEqual([]);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A chat of which the server has the headers and half of the body. */
  const halfChat = async (
    port: number,
    session: string,
    message: string,
  ): Promise<RawConnection & { rest: string }> => {
    const body = JSON.stringify({ tenant_id: 'acme', session_id: session, message });
    const connection = await connectRaw(port);
    const headers = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue`;
    connection.socket.write(`POST /chat HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`);
    await connection.received(/100 Continue/);
    connection.socket.write(body.slice(0, 30));
    return { ...connection, rest: body.slice(30) };
  };
  const READY = 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n';

  it('lets the request in flight finish, answers 503 for readiness meanwhile, and stops the database last', async () => {
    const first = begin();
    const port = await first.serving;
    const session = await open(port);
    const balancer = await connectRaw(port);
    balancer.socket.write(READY);
    await balancer.received(/HTTP\/1\.1 200 OK[^]*"status":"ok"/);
    const chat = await halfChat(port, session, 'said across the signal');

    first.child.kill('SIGTERM');
    await first.said('Stopping: readiness off');
    balancer.socket.write(READY);
    expect(await balancer.ended).toMatch(/HTTP\/1\.1 503 [^]*Connection: close[^]*stopping/);
    await expect(connectRaw(port)).rejects.toThrow('ECONNREFUSED');
    chat.socket.write(chat.rest);
    expect(await chat.ended).toMatch(/HTTP\/1\.1 200 OK[^]*Connection: close[^]*"reply":".*said across the signal/);

    expect(await first.exited).toBe(0);
    await expectCleanStop();
    expect(await messages(await begin().serving, session)).toContain('said across the signal');
  });

  it.each(['Creating the PostgreSQL cluster', 'Migrating…'])(
    'during the start at "%s" comes before serving, and the next start serves',
    async (step) => {
      const first = begin();
      await first.said(step);
      // To the whole group, as Ctrl-C in a terminal does.
      process.kill(-first.child.pid!, 'SIGINT');
      expect(await first.exited).toBe(0);
      expect(first.output()).not.toContain('Swagger UI');
      await expectCleanStop();
      await begin().serving;
    },
  );

  it('asked for twice ends at once, and the next start has everything', async () => {
    const first = begin();
    const port = await first.serving;
    const session = await open(port);
    await post(port, '/chat', { tenant_id: 'acme', session_id: session, message: 'answered before' });
    const chat = await halfChat(port, session, 'never answered');
    first.child.kill('SIGTERM');
    await first.said('Stopping: readiness off');
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(128 + os.constants.signals.SIGTERM);
    expect(await chat.ended).not.toContain('HTTP/1.1 200');

    const second = begin();
    const found = await messages(await second.serving, session);
    expect(found).toContain('answered before');
    expect(found).not.toContain('never answered');
  });

  it('asked for twice during the start leaves no server behind, and the next start serves', async () => {
    for (const step of ['Creating the PostgreSQL cluster', 'Migrating…']) {
      const next = begin();
      await next.said(step);
      next.child.kill('SIGINT');
      next.child.kill('SIGTERM');
      expect(await next.exited).toBeGreaterThan(128);
    }
    const left = await postgresPid().catch(() => 0);
    await expect.poll(() => left !== 0 && processAlive(left), { timeout: 10_000 }).toBe(false);
    await begin().serving;
  });

  it.each([
    ['SIGTERM to the wrapper', WRAPPER, 'SIGTERM', 1],
    ['SIGTERM to npm', NPM_START, 'SIGTERM', 1],
    ['Ctrl-C in the terminal of npm', NPM_START, 'SIGINT', -1],
    ['the end of the terminal of npm', NPM_START, 'SIGHUP', -1],
  ] as const)('by %s leaves no process and no lock', async (_name, command, signal, group) => {
    const started = begin([...command]);
    const port = await started.serving;
    const pids = [await servicePid(), await postgresPid()];
    const session = await open(port);
    const chat = await halfChat(port, session, 'said across the signal');
    process.kill(group * started.child.pid!, signal);
    await started.said('Stopping: readiness off').catch((error: unknown) => {
      // npm may be gone before its service is.
      if (command !== NPM_START) throw error;
    });
    await expect
      .poll(
        () =>
          connectRaw(port).then(
            () => 'open',
            () => 'refused',
          ),
        { timeout: 10_000 },
      )
      .toBe('refused');
    chat.socket.write(chat.rest);
    expect(await chat.ended).toContain('HTTP/1.1 200 OK');
    await expect.poll(() => pids.filter(processAlive), { timeout: 10_000 }).toEqual([]);
    await started.exited;
    await expectCleanStop();
  });
});
