import { AsyncLocalStorage } from 'node:async_hooks';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectRaw, type RawConnection } from '../../test/kit/test-process.js';
import { BoundedExpressAdapter } from './server.adapter.js';

const get = (path: string, more = ''): string => `GET /${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const post = (path: string, body: string): string =>
  `POST /${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = (path: string, body: string): string =>
  `POST /${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

/** Of what was received: the answers, by status and first line of the body. */
const answersOf = (text: string): string[] =>
  text
    .split(/(?=HTTP\/1\.1 \d{3} )/)
    .filter(Boolean)
    .map((answer) => `${answer.slice(9, 12)} ${answer.slice(answer.indexOf('\r\n\r\n') + 4)}`);

const scope = new AsyncLocalStorage<string>();

describe('requests that a client sends without waiting for answers', () => {
  let adapter: BoundedExpressAdapter;
  let server: Server;
  let sockets: Socket[];
  /** What has begun, and what has ended. */
  let log: string[];
  /** Those in which requests began. */
  let scopes: (string | undefined)[];
  /** By path: what a request waits for. */
  let gates: Map<string, PromiseWithResolvers<void>>;
  const clients: RawConnection[] = [];

  async function listen(bounds?: ConstructorParameters<typeof BoundedExpressAdapter>[1], headers = 10_000) {
    adapter = new BoundedExpressAdapter({ headers, request: 30_000, checkEvery: 20 }, bounds);
    adapter.initHttpServer();
    server = adapter.getHttpServer();
    server.on('connection', (socket: Socket) => sockets.push(socket));
    const answer = async (name: string, request: Request, response: Response): Promise<void> => {
      let bytes = 0;
      for await (const chunk of request) bytes += (chunk as Buffer).length;
      await gates.get(name)?.promise;
      log.push(`${name} done`);
      response.end(bytes > 0 ? `${name} ${bytes}` : name);
    };
    adapter.use((request: Request, response: Response) => {
      const name = request.path.slice(1);
      log.push(name);
      scopes.push(scope.getStore());
      scope.run(name, () => void answer(name, request, response));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  }
  const gate = (name: string): PromiseWithResolvers<void> => {
    const made = Promise.withResolvers<void>();
    gates.set(name, made);
    return made;
  };
  const client = async (): Promise<RawConnection> => {
    const made = await connectRaw((server.address() as AddressInfo).port);
    clients.push(made);
    return made;
  };

  beforeEach(() => {
    [sockets, log, scopes, gates] = [[], [], [], new Map()];
  });
  afterEach(async () => {
    clients.splice(0).forEach(({ socket }) => socket.destroy());
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  it('are served one after the other, in their order, and the connection serves on', async () => {
    await listen();
    const { resolve } = gate('a');
    const { socket, ...one } = await client();
    socket.write(post('a', 'text') + get('b') + get('c'));
    await expect.poll(() => log).toEqual(['a']);
    await sleep(20);
    resolve();
    await one.received(/\r\n\r\nc$/);
    socket.write(get('d'));
    const text = await one.received(/\r\n\r\nd$/);
    expect(log).toEqual(['a', 'a done', 'b', 'b done', 'c', 'c done', 'd', 'd done']);
    expect(answersOf(text)).toEqual(['200 a 4', '200 b', '200 c', '200 d']);
  });

  it('keep nobody else waiting', async () => {
    await listen();
    const [many, one] = [await client(), await client()];
    many.socket.write(get('many').repeat(999) + get('last'));
    one.socket.write(get('one'));
    await many.received(/\r\n\r\nlast$/);
    expect(log.indexOf('one done')).toBeLessThan(1000);
  });

  it('are read no further than the bound while they wait, and none is lost, whatever their bodies', async () => {
    await listen();
    const { resolve } = gate('0');
    const { socket, ...one } = await client();
    const names = Array.from({ length: 300 }, (_, at) => String(at));
    const body = 'x'.repeat(10_000);
    const send = (name: string, at: number): string => [get(name), post(name, body), chunked(name, body)][at % 3]!;
    socket.write(names.map(send).join(''));
    await expect.poll(() => log).toEqual(['0']);
    await sleep(100);
    // Two thirds of 300 times 10 kB were sent.
    expect(sockets[0]!.bytesRead).toBeLessThan(500_000);
    resolve();
    expect(answersOf(await one.received(/\r\n\r\n299 10000$/))).toEqual(
      names.map((name, at) => (at % 3 === 0 ? `200 ${name}` : `200 ${name} 10000`)),
    );
  });

  it('cost a connection that brings too many of them, once all bring too many, and nobody else', async () => {
    await listen({ perConnection: 2, inAll: 10 });
    const { resolve } = gate('wait');
    const [greedy, polite] = [await client(), await client()];
    polite.socket.write(get('wait') + get('b') + get('c'));
    await expect.poll(() => log).toEqual(['wait']);
    let parsed = 0;
    server.on('request', () => (parsed += 1));
    greedy.socket.write(get('wait').repeat(1000));
    await greedy.ended;
    expect(parsed).toBeLessThan(20);
    resolve();
    expect(answersOf(await polite.received(/\r\n\r\nc$/))).toEqual(['200 wait', '200 b', '200 c']);
    // What was lost is not counted any more.
    const next = await client();
    next.socket.write(Array.from({ length: 11 }, (_, at) => get(`next${at}`)).join(''));
    expect(answersOf(await next.received(/\r\n\r\nnext10$/))).toHaveLength(11);
  });

  it('have their answers before what comes behind them is refused', async () => {
    await listen();
    for (const [behind, status] of [
      ['no HTTP\r\n\r\n', 400],
      [get('b', 'Expect: 200-ok\r\n') + get('c'), 417],
      [`POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno chunk`, 400],
    ] as const) {
      const { resolve } = gate('a');
      const { socket, ended } = await client();
      socket.write(get('a') + behind);
      await expect.poll(() => log.at(-1)).toBe('a');
      resolve();
      const [first, second, ...more] = answersOf(await ended);
      expect(first).toBe('200 a');
      expect(second).toMatch(new RegExp(`^${status} `));
      expect(more).toEqual([]);
    }
  });

  it('are not late when it is the server who does not read their headers, and else are', async () => {
    await listen({ perConnection: 2, inAll: 100 }, 100);
    const { resolve } = gate('a');
    const { socket, ended, ...one } = await client();
    const half = get('e').length / 2;
    socket.write(get('a') + get('b') + get('c') + get('d') + get('e').slice(0, half));
    await expect.poll(() => log).toEqual(['a']);
    socket.write(get('e').slice(half));
    await sleep(300);
    resolve();
    await one.received(/\r\n\r\ne$/);
    socket.write(get('f').slice(0, half));
    expect(answersOf(await ended).map((answer) => answer.slice(0, 5))).toEqual([
      '200 a',
      '200 b',
      '200 c',
      '200 d',
      '200 e',
      '408 {',
    ]);
  });

  it('are served in the scope of none of the others', async () => {
    await listen();
    const { socket, ...one } = await client();
    socket.write(get('a') + get('b') + get('c'));
    await one.received(/\r\n\r\nc$/);
    expect(scopes).toEqual([undefined, undefined, undefined]);
  });

  it('are not begun once their client has gone', async () => {
    await listen();
    const { resolve } = gate('a');
    const { socket } = await client();
    socket.write(get('a') + get('b'));
    await expect.poll(() => log).toEqual(['a']);
    socket.destroy();
    await expect.poll(() => sockets[0]!.destroyed).toBe(true);
    resolve();
    await sleep(20);
    expect(log).toEqual(['a', 'a done']);
  });

  it('are all answered when the server is drained, and then the connection is closed', async () => {
    await listen();
    const { resolve } = gate('a');
    const { socket, ended } = await client();
    socket.write(get('a') + get('b'));
    await expect.poll(() => log).toEqual(['a']);
    const drained = adapter.drain(10_000);
    resolve();
    const text = await ended;
    expect(answersOf(text)).toEqual(['200 a', '200 b']);
    expect(text.match(/Connection: (.*)\r/g)).toEqual(['Connection: keep-alive\r', 'Connection: close\r']);
    await drained;
  });
});
