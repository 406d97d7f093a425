// From `npm start` to ready, installed and built: with nothing there yet, and again.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** s, of a start that finds its database. */
export const MAX_START_S = 4;
const LIMIT_MS = 120_000;

/** @returns s until the service says that it is ready */
async function startOnce(root, dataDir, port) {
  const started = performance.now();
  const child = spawn('npm', ['start'], {
    cwd: root,
    stdio: 'ignore',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: dataDir, PORT: String(port), METRICS_PORT: '0' },
  });
  const exited = new Promise((done) => child.once('exit', done));
  try {
    for (;;) {
      const ready = await fetch(`http://127.0.0.1:${port}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      const ms = performance.now() - started;
      if (ready) return ms / 1000;
      if (child.exitCode !== null || ms > LIMIT_MS) throw new Error('npm start did not become ready');
      await new Promise((done) => setTimeout(done, 20));
    }
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

export async function measureStarts({ root, rounds, freePort, say }) {
  const results = { first: [], again: [] };
  for (let round = 1; round <= rounds; round++) {
    const dataDir = mkdtempSync(path.join(os.tmpdir(), 'tenantry-start-'));
    try {
      for (const name of Object.keys(results)) {
        results[name].push(await startOnce(root, dataDir, await freePort()));
        say(`start  ${name}  round ${round}/${rounds}  ${results[name].at(-1).toFixed(2)} s`);
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  return results;
}
