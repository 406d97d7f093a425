import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** The program: what NGINX says, else the first on PATH or where distributions put daemons. */
export function findNginx(): string | undefined {
  const { NGINX, PATH = '' } = process.env;
  if (NGINX) return NGINX;
  return [...PATH.split(path.delimiter), '/usr/sbin']
    .map((folder) => path.join(folder, 'nginx'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export interface Nginx {
  /** What `nginx -t` says. */
  check(): Promise<string>;
  /** Runs it until closed. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** nginx with a configuration of ours, in a folder of its own. */
export async function prepareNginx(program: string, config: string): Promise<Nginx> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-nginx-'));
  const file = path.join(folder, 'nginx.conf');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n');
  const http = `http {\naccess_log off;\n${places}`;
  await writeFile(file, `pid ${folder}/nginx.pid;\ndaemon off;\n${config.replace('http {', http)}`);
  const args = ['-p', folder, '-e', path.join(folder, 'error.log'), '-c', file];
  let child: ReturnType<typeof spawn> | undefined;
  return {
    check: async () => (await promisify(execFile)(program, ['-t', ...args])).stderr,
    start: () => {
      child = spawn(program, args, { stdio: 'ignore' });
      return new Promise((resolve, reject) => {
        child?.once('error', reject);
        child?.once('spawn', () => resolve());
      });
    },
    stop: async () => {
      if (child?.exitCode === null) {
        const ended = new Promise((resolve) => child?.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
