import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { post, startProcess, type TestProcess } from '../kit/test-process.js';

const execute = promisify(execFile);

describe('the service as a process', { timeout: 120_000 }, () => {
  let dataDir: string;
  const running: TestProcess[] = [];
  const start = async (env: NodeJS.ProcessEnv = {}): Promise<TestProcess> => {
    const started = await startProcess({ DATA_DIR: dataDir, ...env });
    running.push(started);
    return started;
  };

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-process-'));
  });
  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGTERM');
      await exited;
    }
    await rm(dataDir, { recursive: true, force: true });
  });

  it('says on the screen who the demo users are, with their password, and nothing of them in the log', async () => {
    const started = await start({ DEMO_PASSWORD: 'seven other ladders', LOG_LEVEL: 'info' });
    const { port, child, exited } = started;
    expect(started.output()).toMatch(/Demo users +owner@acme\.example, .*\(password seven other ladders\)/);
    const login = await fetch(`http://127.0.0.1:${port}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tenant-id': 'acme' },
      body: JSON.stringify({ email: 'owner@acme.example', password: 'seven other ladders' }),
    });
    expect(login.status).toBe(200);
    child.kill('SIGTERM');
    await exited;
    const logged = started
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.join('\n')).not.toContain('seven other ladders');
  });

  it('has every acknowledged message after kill -9 under load', async () => {
    const first = await start();
    const session = ((await post(first.port, '/session', { tenant_id: 'acme' })).json as { session_id: string })
      .session_id;
    const acknowledged: string[] = [];
    const opened = await Promise.all(
      Array.from({ length: 4 }, () => post(first.port, '/session', { tenant_id: 'initech' })),
    );
    const writers = opened.map(async ({ json }, writer) => {
      const own = (json as { session_id: string }).session_id;
      for (let n = 0; ; n += 1) {
        const message = `w${writer}-${n}`;
        const answer = await post(first.port, '/chat', { tenant_id: 'initech', session_id: own, message });
        if (answer.status === 200) acknowledged.push(message);
        else await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(4);
    first.child.kill('SIGKILL');
    await Promise.allSettled(writers);

    const second = await start();
    const found: string[] = [];
    for (const { json } of opened) {
      const response = await fetch(`http://127.0.0.1:${second.port}/api/sessions/current/messages?limit=100`, {
        headers: { 'x-tenant-id': 'initech', authorization: `Session ${(json as { session_id: string }).session_id}` },
      });
      const page = (await response.json()) as { items: { role: string; content: string }[] };
      found.push(...page.items.filter((item) => item.role === 'user').map((item) => item.content));
    }
    expect(acknowledged.filter((message) => !found.includes(message))).toEqual([]);
    const again = await post(second.port, '/chat', { tenant_id: 'acme', session_id: session, message: 'still here' });
    expect(again.status).toBe(200);
  });

  it('refuses a second start on the same DATA_DIR with what to do', async () => {
    await start();
    await expect(start()).rejects.toThrow(/DATA_DIR/);
  });

  it('serves within a second what the import command brought in beside it', async () => {
    const { port } = await start();
    const file = path.join(dataDir, 'more.jsonl');
    await writeFile(file, '{"id":"umbrella","name":"Umbrella","model":"mock-2","colour":"red"}\n');
    expect((await post(port, '/session', { tenant_id: 'umbrella' })).status).toBe(404);
    const { stdout } = await execute(process.execPath, [path.resolve('dist/src/cli.js'), 'tenants:import', file], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
    });
    expect(stdout).toContain('1 created, 0 updated, 0 unchanged');
    await expect
      .poll(async () => (await post(port, '/session', { tenant_id: 'umbrella' })).status, { timeout: 1000 })
      .toBe(201);
    await writeFile(file, '{"id":"umbrella"}\n{"id":"api","name":"x"}\n');
    const failed = execute(process.execPath, [path.resolve('dist/src/cli.js'), 'tenants:import', file], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
    });
    await expect(failed).rejects.toThrow(/line 1: name[\s\S]*line 2: id "api" is reserved/);
  });

  it('names the variable that is wrong and does not start', async () => {
    await expect(start({ PORT: 'eighty' })).rejects.toThrow(/PORT="eighty" is not allowed/);
  });

  it('refuses another MASTER_KEY than the one it was set up with', async () => {
    const first = await start({ MASTER_KEY: 'the-first-master-key-of-32-characters' });
    first.child.kill('SIGTERM');
    await first.exited;
    await expect(start({ MASTER_KEY: 'another-master-key-of-32-characters-' })).rejects.toThrow(/MASTER_KEY/);
  });
});
