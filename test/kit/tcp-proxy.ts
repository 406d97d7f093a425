import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  /** The same URL by way of the proxy. */
  through(url: string): string;
  /** From now on nothing passes on the connections there are, and none of them closes: half-open, as after a lost cable. */
  silence(): void;
  /** Breaks the connections there are; new ones are taken, and never answered. */
  hang(): void;
  /** What was held back passes, and what comes. */
  resume(): void;
  /** Resets the connections there are, as a failover does. */
  reset(): void;
  /** Connections made so far. */
  readonly made: number;
  close(): Promise<void>;
}

/** Stands between a client and a server of 127.0.0.1, and misbehaves when told to. */
export async function startProxy(port: number): Promise<TcpProxy> {
  const pairs = new Set<[Socket, Socket]>();
  let made = 0;
  let hanging = false;
  const server = createServer((inner) => {
    made += 1;
    const outer = connect(port, '127.0.0.1');
    const pair: [Socket, Socket] = [inner, outer];
    pairs.add(pair);
    for (const [from, to] of [pair, [outer, inner] as const]) {
      from.on('error', () => to.destroy());
      from.on('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
      if (!hanging) from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = (server.address() as AddressInfo).port;
  const each = (act: (socket: Socket, other: Socket) => void): void => {
    for (const [inner, outer] of pairs) {
      act(inner, outer);
      act(outer, inner);
    }
  };
  return {
    through: (url) => {
      const proxied = new URL(url);
      proxied.hostname = '127.0.0.1';
      proxied.port = String(own);
      return proxied.toString();
    },
    silence: () => each((from, to) => from.unpipe(to).pause()),
    hang: () => {
      hanging = true;
      each((socket) => socket.resetAndDestroy());
    },
    resume: () => {
      hanging = false;
      each((from, to) => from.pipe(to));
    },
    reset: () => each((socket) => socket.resetAndDestroy()),
    get made() {
      return made;
    },
    close: () => {
      each((socket) => socket.destroy());
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
