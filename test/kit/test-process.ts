import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { testEnv } from './test-env.js';

export interface TestProcess {
  child: ChildProcess;
  port: number;
  output(): string;
  exited: Promise<number | null>;
}

/** The built service as a process of its own; resolves once it serves. Rejects, with what it said, if it ends first. */
export async function startProcess(env: NodeJS.ProcessEnv): Promise<TestProcess> {
  let output = '';
  const child = spawn(process.execPath, [path.resolve('dist/src/main.js')], {
    env: { PATH: process.env['PATH'], ...testEnv({ MASTER_KEY: undefined, ...env }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const match = /Swagger UI\s+http:\/\/localhost:(\d+)/.exec(output);
      if (match) resolve(Number(match[1]));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then((code) => reject(new Error(`ended with ${code}:\n${output}`)));
  });
  return { child, port, output: () => output, exited };
}

/** POSTs JSON to a process and returns status and body. */
export async function post(port: number, route: string, body: unknown): Promise<{ status: number; json: never }> {
  const response = await fetch(`http://127.0.0.1:${port}${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as never };
}
