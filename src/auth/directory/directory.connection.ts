import net, { isIP } from 'node:net';
import tls from 'node:tls';
import type { Client } from 'ldapts';
import type { OutboundPolicy } from '../../outbound/index.js';

const CONNECT_MS = 4000;
const ANSWER_MS = 5000;
/** In that time, of all who ask over one connection. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export interface DirectoryAddress {
  /** ldaps://host[:port], or ldap://host[:port]. */
  url: string;
  /** PEM; empty: public authorities. */
  ca: string;
}

/**
 * A connection under TLS, to an address that was checked; not bound yet. Plain LDAP is left by STARTTLS (RFC 4513, section 3)
 * before anything else is sent.
 *
 * @throws OutboundRefused; what net, tls and ldapts reject with
 */
export async function connectTo({ url, ca }: DirectoryAddress, policy: OutboundPolicy): Promise<Client> {
  const { Client } = await import('ldapts');
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const { address } = await policy.resolve(host);
  const verify: tls.ConnectionOptions = {
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== '' && { ca }),
    minVersion: 'TLSv1.2',
  };
  const secure = protocol === 'ldaps:';
  const client = new Client({
    url,
    timeout: ANSWER_MS,
    connectTimeout: CONNECT_MS,
    ...(secure
      ? { createSecureConnection: ((port: number) => tls.connect({ ...verify, port, lookup: only(address) })) as never }
      : { createConnection: ((port: number) => net.connect({ port, host: address })) as never }),
  });
  const inside = client as unknown as Inside;
  boundAnswers(inside);
  // ldapts connects at the first operation, so that there is always one after this.
  if (!secure) {
    await inTime(client.startTLS(verify), client);
    // Half a message that came before TLS would be joined to what comes under it (as in CVE-2011-0411).
    if (inside.messageParser.buffer !== undefined) {
      inside.socket?.destroy();
      throw new Error('The server said more before TLS than it was asked');
    }
  }
  return client;
}

/** Whether its connection has ended: after STARTTLS ldapts does not notice. */
export function isLost(client: Client): boolean {
  return (client as unknown as Inside).socket?.destroyed !== false;
}

/** What ldapts keeps to itself; its version is pinned. */
interface Inside {
  readonly messageParser: { buffer?: Buffer; read: (data: Buffer, known: unknown) => void };
  readonly socket?: net.Socket;
}

/** ldapts keeps all that a server says, however much that is. */
function boundAnswers(inside: Inside): void {
  const parser = inside.messageParser;
  const read = parser.read.bind(parser);
  let [since, bytes] = [0, 0];
  parser.read = (data, known) => {
    const now = performance.now();
    if (now - since > ANSWER_MS) [since, bytes] = [now, 0];
    bytes += data.length;
    if (bytes > MAX_ANSWER_BYTES) inside.socket?.destroy(new Error('The server answers more than is read'));
    else read(data, known);
  };
}

/** Of a host whose address is known: TLS has to know the name, and to connect to what was checked. */
function only(address: string): net.LookupFunction {
  const family = isIP(address);
  return (_host, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}

/** The handshake has no timeout of its own. */
async function inTime<T>(work: Promise<T>, client: Client): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('No STARTTLS in time')), CONNECT_MS + ANSWER_MS);
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    work.catch(() => undefined);
    void close(client);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Never throws: what there is to say was said. */
export async function close(client: Client): Promise<void> {
  await client.unbind().catch(() => undefined);
}
