import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface OldPostgres {
  url: string;
  /** Every statement it was sent. */
  statements: string[];
  close(): void;
}

/**
 * A server that logs everybody in and answers each statement with its version number (frontend/backend protocol 3.0),
 * for releases too old to be installed beside the tests.
 *
 * @param version as server_version_num gives it
 */
export async function startOldPostgres(version: number): Promise<OldPostgres> {
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let buffer = Buffer.alloc(0);
    let started = false;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (;;) {
        // The first message has no type byte.
        const head = started ? 1 : 0;
        if (buffer.length < head + 4 || buffer.length < head + buffer.readInt32BE(head)) return;
        const type = started ? String.fromCharCode(buffer[0]!) : 'startup';
        const length = buffer.readInt32BE(head);
        const body = buffer.subarray(head + 4, head + length);
        buffer = buffer.subarray(head + length);
        started = true;
        if (type === 'startup') socket.write(Buffer.concat([message('R', int32(0)), READY]));
        if (type === 'X') socket.end();
        if (type === 'Q') {
          statements.push(body.subarray(0, -1).toString());
          socket.write(answer(version));
        }
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `postgres://someone@127.0.0.1:${(server.address() as AddressInfo).port}/somewhere`,
    statements,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const INT4 = 23;

function answer(version: number): Buffer {
  const value = Buffer.from(String(version));
  const column = Buffer.concat([
    Buffer.from('version\0'),
    int32(0),
    int16(0),
    int32(INT4),
    int16(4),
    int32(-1),
    int16(0),
  ]);
  return Buffer.concat([
    message('T', int16(1), column),
    message('D', int16(1), int32(value.length), value),
    message('C', Buffer.from('SELECT 1\0')),
    READY,
  ]);
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

const READY = message('Z', Buffer.from('I'));
