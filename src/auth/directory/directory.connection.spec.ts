import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../../test/kit/certificates.js';
import { OutboundPolicy } from '../../outbound/index.js';
import { connectTo, isLost } from './directory.connection.js';

const policy = new OutboundPolicy({ outboundAllow: ['127.0.0.0/8'] });
/** An answer to STARTTLS: success. */
const started = (id: number) => Buffer.from([0x30, 0x0c, 2, 1, id, 0x78, 7, 10, 1, 0, 4, 0, 4, 0]);
/** An answer to a bind: wrong password. */
const refused = (id: number) => Buffer.from([0x30, 0x0c, 2, 1, id, 0x61, 7, 10, 1, 49, 4, 0, 4, 0]);
/** The beginning of an answer to the bind that comes next, success, with the 14 bytes of the true one as its text. */
const HALF = Buffer.from([0x30, 0x1a, 2, 1, 3, 0x61, 0x15, 10, 1, 0, 4, 0, 4, 14]);
const idOf = (request: Buffer) => request[4]!;

describe('a connection to a directory that is left for TLS', () => {
  let certificate: TestCertificate;
  let server: net.Server | undefined;
  beforeAll(async () => void (certificate = await makeCertificate()));
  afterEach(() => server?.close());

  /** @param more what comes with the answer to STARTTLS @param answer to what is asked under TLS */
  async function connected(more: Buffer, answer: (secure: tls.TLSSocket, request: Buffer) => void) {
    server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (request: Buffer) => {
        socket.write(Buffer.concat([started(idOf(request)), more]), () => {
          const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate });
          secure.on('error', () => undefined).on('data', (asked: Buffer) => answer(secure, asked));
        });
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    return connectTo({ url: `ldap://127.0.0.1:${port}`, ca: certificate.cert }, policy);
  }

  it('takes the answer of the server, and notices when it has gone', async () => {
    const client = await connected(Buffer.alloc(0), (secure, request) => secure.end(refused(idOf(request))));
    await expect(client.bind('cn=ann', 'wrong')).rejects.toMatchObject({ code: 49 });
    await expect.poll(() => isLost(client)).toBe(true);
  });

  it('takes nothing that was said before TLS for a part of what is said under it', async () => {
    const answered = connected(HALF, (secure, request) => secure.write(refused(idOf(request))));
    await expect(answered).rejects.toThrow('more before TLS');
  });

  it('is ended by an answer without end', async () => {
    const client = await connected(Buffer.alloc(0), (secure) => {
      secure.write(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]));
      const pour = () => void (secure.writable && secure.write(Buffer.alloc(1024 * 1024), pour));
      pour();
    });
    await expect(client.bind('cn=ann', 'any')).rejects.toThrow();
    await expect.poll(() => isLost(client)).toBe(true);
  });
});
