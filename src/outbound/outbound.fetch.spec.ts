import { Resolver } from 'node:dns/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startDns, type TestDns } from '../../test/kit/test-dns.js';
import { OutboundFetch } from './outbound.fetch.js';
import { type Names, OutboundPolicy, OutboundRefused } from './outbound.policy.js';

const BOUNDS = { timeoutMs: 20_000, maxBytes: 1000 };
/** Public, and nobody's: nothing is ever sent to it, because the peer of these tests is on loopback. */
const PUBLIC = '192.0.1.1';

describe('OutboundFetch', () => {
  let dns: TestDns;
  let server: Server;
  let port: number;
  let names: Names;
  let reached = 0;
  const made: OutboundFetch[] = [];
  const fetching = (outboundAllow: string[], bounds = BOUNDS): typeof fetch => {
    const outbound = new OutboundFetch(new OutboundPolicy({ outboundAllow }, names));
    made.push(outbound);
    return outbound.within(bounds);
  };

  beforeAll(async () => {
    dns = await startDns();
    const resolver = new Resolver();
    resolver.setServers([dns.address]);
    names = async (host) =>
      /^[\d.]+$/.test(host)
        ? [{ address: host, family: 4 }]
        : (await resolver.resolve4(host)).map((address) => ({ address, family: 4 }));
    server = createServer((request, response) => {
      reached += 1;
      if (request.url === '/away') response.writeHead(302, { Location: 'http://169.254.169.254/' }).end();
      else if (request.url === '/silent') return;
      else if (request.url === '/bomb')
        response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(Buffer.alloc(100_000)));
      else request.pipe(response.writeHead(200, { 'X-Host': request.headers.host }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    dns.a('peer.acme.example', () => ['127.0.0.1']);
  });

  beforeEach(() => {
    reached = 0;
  });

  afterAll(async () => {
    await Promise.all(made.map((outbound) => outbound.onApplicationShutdown()));
    await new Promise((resolve) => server.close(resolve));
    await dns.close();
  });

  it.each(['peer.acme.example', '127.0.0.1', '2130706433', '0x7f.1'])('does not connect to %s', async (host) => {
    await expect(fetching([])(`http://${host}:${port}/`)).rejects.toBeInstanceOf(OutboundRefused);
    expect(reached).toBe(0);
  });

  it('connects where the operator allows, under the name that was asked for', async () => {
    const answer = await fetching(['127.0.0.0/8'])(`http://peer.acme.example:${port}/`, {
      method: 'POST',
      body: 'hello',
    });
    expect(await answer.text()).toBe('hello');
    expect(answer.headers.get('x-host')).toBe(`peer.acme.example:${port}`);
  });

  it('connects to the address that it checked, whatever the name leads to a moment later', async () => {
    let asked = 0;
    dns.a('rebinds.acme.example', () => [asked++ === 0 ? PUBLIC : '127.0.0.1']);
    const policy = new OutboundPolicy({ outboundAllow: [] }, names);
    const socket = connect({ host: 'rebinds.acme.example', port, lookup: policy.lookup, autoSelectFamily: false });
    socket.on('error', () => undefined);
    const address = await new Promise((resolve) => socket.once('lookup', (_error, found) => resolve(found)));
    socket.destroy();
    expect(address).toBe(PUBLIC);
    expect(asked).toBe(1);
    // The second answer, the one it was all for, is checked like the first.
    await expect(fetching([])(`http://rebinds.acme.example:${port}/`)).rejects.toBeInstanceOf(OutboundRefused);
    expect(reached).toBe(0);
  });

  it('follows no redirect', async () => {
    const answer = await fetching(['127.0.0.0/8'])(`http://peer.acme.example:${port}/away`, { redirect: 'follow' });
    expect(answer.status).toBe(302);
  });

  it('reads no more than its bound, decompressed', async () => {
    const answer = await fetching(['127.0.0.0/8'])(`http://peer.acme.example:${port}/bomb`);
    await expect(answer.arrayBuffer()).rejects.toThrow('more than 1000 bytes');
  });

  it('gives up a silent peer', async () => {
    const silent = fetching(['127.0.0.0/8'], { ...BOUNDS, timeoutMs: 50 })(`http://peer.acme.example:${port}/silent`);
    await expect(silent).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('speaks nothing but HTTP', async () => {
    await expect(fetching([])('data:text/plain,hello')).rejects.toBeInstanceOf(TypeError);
  });
});
