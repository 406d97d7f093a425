import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { readFileSync } from 'node:fs';

export const CLI = path.resolve('dist/src/cli.js');
/** As `npm run tenantry` has it. */
const NODE_COMPILE_CACHE = path.resolve('dist/.compile-cache');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Standard output as JSON. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into documents of every shape
  json: any;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  problem: any;
}

export interface RunningCommand {
  child: ChildProcess;
  outcome: Promise<Outcome>;
  /** Resolves once standard error holds this. */
  said(text: string): Promise<void>;
}

/** Starts a command of the built program, as a process of its own. */
export function startCommand(env: NodeJS.ProcessEnv, ...args: string[]): RunningCommand {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const outcome = new Promise<Outcome>((resolve) => {
    child.once('close', (code) =>
      resolve({
        code,
        stdout,
        stderr,
        get json() {
          return JSON.parse(stdout);
        },
        get problem() {
          return JSON.parse(stderr.slice(stderr.indexOf('{')));
        },
      }),
    );
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => void (stderr.includes(text) && resolve());
      look();
      child.stderr.on('data', look);
      void outcome.then((ended) => reject(new Error(`ended with ${ended.code}:\n${ended.stdout}\n${ended.stderr}`)));
    });
  return { child, outcome, said };
}

export function runCommand(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
  return startCommand(env, ...args).outcome;
}

/** What is wrong with a document by a schema of the API; undefined when nothing is. */
export function schemaErrors(name: string, document: unknown): unknown {
  const openapi = JSON.parse(readFileSync('docs/generated/openapi.json', 'utf8'));
  const ajv = formats.default(new Ajv2020({ strict: false })).addSchema(openapi, 'openapi');
  const validate = ajv.getSchema(`openapi#/components/schemas/${name}`);
  if (!validate) throw new Error(`There is no schema ${name}.`);
  return validate(document) ? undefined : validate.errors;
}
