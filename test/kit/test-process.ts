import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { testEnv } from './test-env.js';

export interface TestProcess {
  child: ChildProcess;
  port: number;
  output(): string;
  exited: Promise<number | null>;
}

/** A process that may or may not come to serve. */
export interface StartingProcess extends Omit<TestProcess, 'port'> {
  /** The port, once it serves. Rejects, with what it said, if it ends first. */
  serving: Promise<number>;
  /** Resolves once it has said this. */
  said(text: string): Promise<void>;
}

/** Ways to run the built service. */
export const SERVICE = [process.execPath, path.resolve('dist/src/main.js')];
export const WRAPPER = [process.execPath, path.resolve('scripts/run.mjs'), 'start'];
export const NPM_START = ['npm', 'start'];

/** Starts the service in a process group of its own, as a terminal does. */
export function launch(env: NodeJS.ProcessEnv, [file, ...args]: string[] = SERVICE, cwd?: string): StartingProcess {
  let output = '';
  const child = spawn(file!, args, {
    env: { PATH: process.env['PATH'], ...testEnv({ MASTER_KEY: undefined, ...env }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    cwd,
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const said = (text: string | RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = typeof text === 'string' ? output.includes(text) && text : text.exec(output)?.[1];
        if (match) resolve(match);
      };
      look();
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      void exited.then((code) => reject(new Error(`ended with ${code}:\n${output}`)));
    });
  const read = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const serving = said(/Health\s+http:\/\/localhost:(\d+)/).then(Number);
  serving.catch(() => undefined);
  return { child, serving, said: async (text) => void (await said(text)), output: () => output, exited };
}

/** The built service as a process of its own; resolves once it serves. Rejects, with what it said, if it ends first. */
export async function startProcess(
  env: NodeJS.ProcessEnv,
  command?: string[],
  cwd?: string,
): Promise<TestProcess & StartingProcess> {
  const started = launch(env, command, cwd);
  return { ...started, port: await started.serving };
}

/** A connection on which a test decides what is sent when. */
export interface RawConnection {
  socket: net.Socket;
  /** Resolves with all that was received once it matches. */
  received(pattern: RegExp): Promise<string>;
  /** Resolves with all that was received, once the server has closed. */
  ended: Promise<string>;
}

/** Connects and keeps its own side open, whatever the server does. */
export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  const ended = new Promise<string>((resolve) => {
    for (const event of ['end', 'close']) socket.once(event, () => resolve(text));
  });
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', () => undefined);
  const received = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(text)) resolve(text);
      };
      look();
      socket.on('data', look);
      void ended.then(() => reject(new Error(`closed after: ${text}`)));
    });
  return { socket, received, ended };
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
