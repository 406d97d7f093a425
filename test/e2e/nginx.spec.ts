import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { machineHas } from '../kit/needs.js';
import { findNginx, type Nginx, prepareNginx } from '../kit/nginx.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const program = findNginx();

/** The example with our ports and name, and without the certificates, which are somebody's own. */
function example(port: number, redirects: number, upstream: number): string {
  return readFileSync('docs/deploy/nginx.conf', 'utf8')
    .replaceAll(/^ *ssl_certificate.*\n/gm, '')
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace('listen 80;', `listen 127.0.0.1:${redirects};`)
    .replace('server 127.0.0.1:8001;', `server 127.0.0.1:${upstream};`)
    .replaceAll('tenantry.example', 'localhost');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.runIf(machineHas(program, 'nginx on PATH, or its path in NGINX'))('the nginx example', () => {
  let t: TestApp;
  let nginx: Nginx;
  let port: number;
  beforeAll(async () => {
    t = await createTestApp({ TRUSTED_PROXIES: 'loopback' });
    port = await freePort();
    nginx = await prepareNginx(program ?? '', example(port, await freePort(), t.port));
  });
  afterAll(async () => {
    await nginx?.stop();
    await t?.close();
  });

  const get = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.on('error', reject);
    });

  it('is what nginx understands', async () => {
    expect(await nginx.check()).toContain('syntax is ok');
  });

  it('hands on the name that was asked for, whatever a client says of it, and nothing of the inside', async () => {
    await nginx.start();
    await expect
      .poll(() =>
        get('/health/live', { host: 'localhost' }).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    const named = async (headers: Record<string, string>) => (await get('/', headers)).text;
    expect(await named({ host: 'acme.localhost' })).toContain('"id":"acme"');
    expect(await named({ host: 'acme.localhost', 'x-forwarded-host': 'globex.localhost' })).toContain('"id":"acme"');
    expect((await get('/internal/domains/allowed?domain=acme.localhost', { host: 'acme.localhost' })).text).toContain(
      'nginx',
    );
  });
});
