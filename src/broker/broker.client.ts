import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Redis } from 'ioredis';
import type { OutboundPolicy } from '../outbound/index.js';

const CONNECT_MS = 5000;
/** How long a command may take, in ms. */
const COMMAND_MS = 5000;

/** One connection to a Redis that a tenant named. */
export class BrokerClient {
  private readying: Promise<void> | undefined;

  /** @throws what {@link ready} throws */
  static async open(url: string, policy: OutboundPolicy): Promise<BrokerClient> {
    const { Redis, AbstractConnector } = await import('ioredis');
    const target = new URL(url);
    class CheckedConnector extends AbstractConnector {
      constructor() {
        super(CONNECT_MS);
      }

      async connect(): Promise<Socket> {
        this.stream = await connectTo(target, policy);
        return this.stream;
      }
    }
    const redis = new Redis({
      Connector: CheckedConnector,
      lazyConnect: true,
      // Whoever uses it finds out at once, and the next use connects again.
      retryStrategy: () => null,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      disableClientInfo: true,
      commandTimeout: COMMAND_MS,
    });
    // Without a listener it would end the process; whoever waits is told.
    redis.on('error', () => undefined);
    const client = new BrokerClient(redis, target);
    try {
      await client.ready();
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  private constructor(
    private readonly redis: Redis,
    private readonly target: URL,
  ) {}

  /**
   * Connected and signed in, again where the connection was lost.
   *
   * @throws OutboundRefused, errors of the network and replies of the server
   */
  async ready(): Promise<Redis> {
    if (this.redis.status !== 'ready' || this.readying) {
      this.readying ??= this.connect().finally(() => (this.readying = undefined));
      await this.readying;
    }
    return this.redis;
  }

  close(): void {
    this.redis.disconnect();
  }

  private async connect(): Promise<void> {
    const { redis } = this;
    const [user, password] = [this.target.username, this.target.password].map(decodeURIComponent) as [string, string];
    await redis.connect();
    if (user !== '') await redis.auth(user, password);
    else if (password !== '') await redis.auth(password);
    const database = Number(this.target.pathname.slice(1));
    if (database > 0) await redis.select(database);
    await redis.ping();
  }
}

async function connectTo({ protocol, hostname, port }: URL, policy: OutboundPolicy): Promise<Socket> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const socket = await policy.connect(host, port === '' ? 6379 : Number(port), CONNECT_MS);
  if (protocol === 'rediss:') return encrypted(socket, host);
  policy.allowPlain(socket, host);
  return socket;
}

async function encrypted(socket: Socket, host: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const secured = connectTls({ socket, host, minVersion: 'TLSv1.2', ...(isIP(host) === 0 && { servername: host }) });
  secured.once('secureConnect', resolve).once('error', reject);
  // A server without TLS takes the greeting for half a command, and waits for the rest.
  const late = Object.assign(new Error('No TLS in time'), { code: 'ERR_SSL_NO_ANSWER' });
  const timer = setTimeout(() => secured.destroy(late), CONNECT_MS);
  await promise.finally(() => clearTimeout(timer));
  secured.off('error', reject);
  return secured;
}
