import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { Server, type Socket } from 'node:net';
import { ExpressAdapter } from '@nestjs/platform-express';
import { isSlowUpload } from '../common/index.js';
import { type Exchange, Pipeline, type PipelineBounds, Pipelines } from './pipeline.js';

/** Bytes. */
const MAX_HEADER_BYTES = 16 * 1024;
/** How long a drained server leaves open a connection that has not asked for anything yet, in ms. */
const LINGER_MS = 500;

/** How slowly a client may send, and read, in ms. */
export interface SlownessBounds {
  /** Until the headers are complete. */
  headers: number;
  /** From then until the body is complete. A slow upload has as long for each 64 KiB, and so has every answer. */
  request: number;
  /** How often the two are looked at. */
  checkEvery: number;
}

/** Bytes that a slow upload has to send, and an answer to get away, in the time of a whole body of others. */
const PACE_BYTES = 64 * 1024;

const PIPELINES: PipelineBounds = { perConnection: 16, inAll: 20_000 };

/** A request whose body may not be complete. */
interface Arrival extends Exchange {
  since: number;
  /** What the connection had brought by then. */
  bytes: number;
}

/** An answer that waits for its client to read. */
interface Departure {
  since: number;
  /** What the connection had taken by then. */
  bytes: number;
}

/** Express on a server with limits, and with a way to end that lets requests finish; Nest's own adapter has neither. */
export class BoundedExpressAdapter extends ExpressAdapter {
  private readonly pipelines = new WeakMap<Socket, Pipeline>();
  /** The response begun on each connection that has one in flight. */
  private readonly inFlight = new Map<Socket, http.ServerResponse>();
  private readonly arriving = new Map<Socket, Arrival>();
  private readonly departing = new Map<Socket, Departure>();
  private draining = false;
  declare protected httpServer: http.Server;

  constructor(
    private readonly slowness: SlownessBounds = { headers: 10_000, request: 30_000, checkEvery: 2000 },
    private readonly pipelining = PIPELINES,
  ) {
    super();
  }

  override initHttpServer(): void {
    const server = http.createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: this.slowness.headers,
      // Its bound would hold for every route; see `refuseLate`.
      requestTimeout: 0,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: this.slowness.checkEvery,
    });
    const all = new Pipelines(this.pipelining);
    const listener = this.getInstance<http.RequestListener>();
    server.on('connection', (socket) => {
      const serve = (exchange: Exchange): void => this.serve(exchange, listener);
      this.pipelines.set(socket, new Pipeline(socket, all, serve, () => this.ended(socket)));
      socket.once('close', () => this.ended(socket));
    });
    server.on('request', (request, response) => this.pipelines.get(request.socket)?.add({ request, response }));
    server.on('clientError', (error: { code?: string }, socket: Socket) => this.refuse(error, socket));
    // Node's own answer has no body.
    server.on('checkExpectation', ({ socket }: http.IncomingMessage) => this.refuse({ code: EXPECTATION }, socket));
    const look = (): void => {
      this.refuseLate();
      this.endUnread();
    };
    const looks = setInterval(look, this.slowness.checkEvery).unref();
    server.once('close', () => clearInterval(looks));
    this.httpServer = server;
  }

  /**
   * Takes no new connection and lets requests in flight finish. Meanwhile open connections may ask once more, so that a
   * balancer can read there that the service is no longer ready.
   *
   * @param limitMs after this long, connections are cut whatever they carry
   */
  async drain(limitMs: number): Promise<void> {
    this.draining = true;
    for (const [socket, response] of this.inFlight) {
      if (!response.headersSent && !this.isMoreToCome(socket)) response.setHeader('Connection', 'close');
    }
    // Not http's own close, which would cut idle connections now.
    const closed = new Promise((resolve) => Server.prototype.close.call(this.httpServer, resolve));
    const late = setTimeout(() => this.httpServer.closeAllConnections(), limitMs);
    this.closeIdle();
    await closed;
    clearTimeout(late);
  }

  /** Begins with a request whose turn it is. */
  private serve({ request, response }: Exchange, listener: http.RequestListener): void {
    const { socket } = request;
    if (hasBody(request)) {
      this.arriving.set(socket, { request, response, since: performance.now(), bytes: socket.bytesRead });
    }
    this.inFlight.set(socket, response);
    if (this.draining && !this.isMoreToCome(socket)) response.setHeader('Connection', 'close');
    void listener(request, response);
  }

  private isMoreToCome(socket: Socket): boolean {
    return this.pipelines.get(socket)?.isMoreToCome === true;
  }

  /** Answers what is no request, when all before it have their answers. */
  private refuse(error: { code?: string }, socket: Socket): void {
    const pipeline = this.pipelines.get(socket);
    const answer = (): void => refuse(error, socket);
    if (!pipeline || error.code === 'ECONNRESET' || !socket.writable) answer();
    else if (error.code === LATE) pipeline.endLate(answer, this.slowness.headers);
    else pipeline.endWith(answer);
  }

  /** Ends connections whose body is late. */
  private refuseLate(): void {
    const now = performance.now();
    for (const [socket, arrival] of this.arriving) {
      const { request, response, since, bytes } = arrival;
      if (request.complete || socket.destroyed) this.arriving.delete(socket);
      else if (now - since < this.slowness.request) continue;
      else if (isSlowUpload(request) && socket.bytesRead - bytes >= PACE_BYTES) {
        Object.assign(arrival, { since: now, bytes: socket.bytesRead });
      } else if (response.headersSent) socket.destroy();
      else refuse({ code: LATE }, socket);
    }
  }

  /** Ends connections that do not read what they asked for: they would hold their tenant's slots for ever. */
  private endUnread(): void {
    const now = performance.now();
    for (const socket of this.inFlight.keys()) {
      const bytes = socket.bytesWritten - socket.writableLength;
      const known = this.departing.get(socket);
      if (socket.writableLength === 0) this.departing.delete(socket);
      else if (!known || bytes - known.bytes >= PACE_BYTES) this.departing.set(socket, { since: now, bytes });
      else if (now - known.since >= this.slowness.request) socket.destroy();
    }
  }

  private ended(socket: Socket): void {
    this.inFlight.delete(socket);
    this.departing.delete(socket);
    if (this.draining) this.closeIdle();
  }

  private closeIdle(): void {
    if (this.inFlight.size > 0) return;
    this.httpServer.closeIdleConnections();
    // To Node a connection that never sent a byte, as browsers open them ahead of need, is not idle.
    setTimeout(() => this.inFlight.size === 0 && this.httpServer.closeAllConnections(), LINGER_MS).unref();
  }
}

/** Whether a body comes with the request, read or not. */
function hasBody({ headers }: http.IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Node's code for headers that are late. */
const LATE = 'ERR_HTTP_REQUEST_TIMEOUT';
/** As a code of Node's, which has none. */
const EXPECTATION = 'EXPECTATION_FAILED';

/** By the code of Node's error. */
const REFUSALS: Record<string, [status: number, code: string, detail: string, remedy: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'The request headers are larger than 16 KiB.', 'Send less in them.'],
  [LATE]: [408, 'request_timeout', 'The request did not arrive in time.', 'Send it again, at once.'],
  [EXPECTATION]: [
    417,
    'expectation_failed',
    'Nothing but 100-continue can be expected.',
    'Leave out the Expect header.',
  ],
};
const NO_HTTP: (typeof REFUSALS)[string] = [400, 'bad_request', 'The request is not valid HTTP.', 'Check the client.'];

/** What is answered when no request came about, and so no filter can. */
function refuse(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, code, detail, remedy] = REFUSALS[error.code ?? ''] ?? NO_HTTP;
  const title = http.STATUS_CODES[status] ?? 'Error';
  const type = `urn:tenantry:problem:${code}`;
  const body = JSON.stringify({ type, title, status, detail, code, remedy, request_id: randomUUID() });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
