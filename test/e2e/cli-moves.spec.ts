import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, runCommand, schemaErrors } from '../kit/command-line.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';

const LONG = 240_000;

let dataDir: string;
let service: TestProcess | undefined;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'tenantry-cli-'));
  service = await startProcess({ DATA_DIR: dataDir });
});
afterAll(async () => {
  await stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function stop(): Promise<void> {
  service?.child.kill('SIGTERM');
  await service?.exited;
  service = undefined;
}

const tenants = (...args: string[]): Promise<Outcome> => runCommand({ DATA_DIR: dataDir }, 'tenants', ...args);

describe('moves on the command line', { timeout: LONG }, () => {
  it('are worked by a running service, told step by step, and listed', async () => {
    expect((await tenants('create', 'mobile', '--name', 'Mobile', '--owner', 'ada@mobile.example')).code).toBe(0);
    const moved = await tenants('move', 'mobile', '--isolation', 'schema', '--wait', '--json');
    expect([moved.code, moved.json.state, moved.json.to.isolation]).toEqual([0, 'done', 'schema']);
    expect(schemaErrors('MoveView', moved.json)).toBeUndefined();
    for (const step of ['copy', 'verify', 'switch']) expect(moved.stderr).toContain(`${step}: done`);
    expect(moved.stderr).not.toContain('this command does the work');
    const { stdout } = await tenants('moves', 'mobile');
    expect(stdout).toMatch(/shared on default +schema on default +done/);
  });

  it('say by their exit code what is in the way', async () => {
    expect((await tenants('move', 'mobile', '--isolation', 'schema')).code).toBe(4);
    expect((await tenants('move', 'nobody', '--isolation', 'schema')).code).toBe(3);
    expect((await tenants('move', 'mobile', '--isolation', 'cloud')).code).toBe(5);
    expect((await tenants('move-abort', 'mobile')).code).toBe(4);
  });

  it('are worked by the command itself where no service runs', async () => {
    await stop();
    const moved = await tenants('move', 'mobile', '--isolation', 'shared', '--wait');
    expect(moved.code, moved.stderr).toBe(0);
    expect(moved.stderr).toContain('this command does the work');
    expect(moved.stdout).toMatch(/state +done/);
  });
});
