import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What Node's own parser is told of a request after which another protocol is spoken. */
const UPGRADED = 2;

/** How many requests may wait for the answers before them. */
export interface PipelineBounds {
  /** Of one connection: from then on nothing more is read from it until they have been served. */
  perConnection: number;
  /**
   * Of all connections: one that brings more loses its own. Node parses all that came in one piece, up to 64 KiB, so that
   * a connection can go beyond its bound, and only this one holds for the memory of the process.
   */
  inAll: number;
}

/** What pipelines have to do with each other. */
export class Pipelines {
  private waiting = 0;
  /** Who waits is served in nobody's scope, and not in that of the request before. */
  readonly outside = AsyncLocalStorage.snapshot();

  constructor(readonly bounds: PipelineBounds) {}

  get areFull(): boolean {
    return this.waiting > this.bounds.inAll;
  }

  count(change: number): void {
    this.waiting += change;
  }
}

/**
 * Requests that a client sends over one connection without waiting for answers (RFC 9112, 9.3.2). They are served one
 * after the other, as nearly all servers do it and as those that change something have to be, and between two of them
 * other connections have their turn: Node would begin all that have come at once.
 */
export class Pipeline {
  private readonly waiting: Exchange[] = [];
  private current: Exchange | undefined;
  private isHeld = false;
  /** Headers that were late while nothing was read: from when that is over they have their time again. */
  private owed: (() => NodeJS.Timeout) | undefined;
  private debt: NodeJS.Timeout | undefined;
  /** Nothing more is served. */
  private isEnding = false;
  private farewell: (() => void) | undefined;

  /**
   * @param serve begins with a request
   * @param idle called when nothing is under way any more
   */
  constructor(
    private readonly socket: Socket,
    private readonly all: Pipelines,
    private readonly serve: (exchange: Exchange) => void,
    private readonly idle: () => void,
  ) {
    socket.on('resume', () => this.isHeld && this.stopReading());
    socket.once('close', () => this.drop());
  }

  /** Whether another request of the client comes after the one under way. */
  get isMoreToCome(): boolean {
    return this.waiting.length > 0;
  }

  /** Serves a request when its turn has come. */
  add(exchange: Exchange): void {
    if (this.isEnding || this.socket.destroyed) return;
    clearTimeout(this.debt);
    this.owed = undefined;
    if (!this.current) return this.begin(exchange);
    this.waiting.push(exchange);
    this.all.count(1);
    const { perConnection } = this.all.bounds;
    if (this.waiting.length < perConnection) return;
    this.hold();
    if (this.all.areFull && this.waiting.length > perConnection) this.cut();
  }

  /**
   * Calls `refuse`, which ends the connection, after the answers to all requests that are complete; at once, if that is
   * about a request whose turn it is.
   */
  endWith(refuse: () => void): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.hold();
    if (!this.current) return refuse();
    const last = this.waiting.at(-1) ?? this.current;
    if (!last.request.complete && last === this.current) {
      // The middle of an answer is no place for another.
      if (last.response.headersSent) this.socket.destroy();
      else refuse();
      return;
    }
    if (!last.request.complete) {
      this.waiting.pop();
      this.all.count(-1);
    }
    this.farewell = refuse;
  }

  /**
   * As {@link endWith} for headers that are late, unless that is because nothing was read.
   *
   * @param againMs how long they may take then
   */
  endLate(refuse: () => void, againMs: number): void {
    if (!this.isHeld) this.endWith(refuse);
    else this.owed = () => setTimeout(() => this.endWith(refuse), againMs).unref();
  }

  private begin(exchange: Exchange): void {
    this.current = exchange;
    exchange.response.once('close', () => this.next());
    this.serve(exchange);
  }

  private next(): void {
    if (this.waiting.length > 0) this.all.outside(() => setImmediate(() => this.beginNext()));
    else this.rest();
  }

  private beginNext(): void {
    // Nobody would read the answer.
    if (this.socket.destroyed) return;
    const exchange = this.waiting.shift();
    // It may have been refused meanwhile.
    if (!exchange) return this.rest();
    this.all.count(-1);
    if (this.waiting.length === 0) this.release();
    this.begin(exchange);
  }

  private rest(): void {
    this.current = undefined;
    if (this.farewell) this.farewell();
    else this.idle();
  }

  private hold(): void {
    if (this.isHeld) return;
    this.isHeld = true;
    this.stopReading();
  }

  /** What else is in the piece that has come is not worth parsing: the parser is told that it is no HTTP any more. */
  private cut(): void {
    const { parser } = this.socket as { parser?: { onIncoming?: () => number } };
    if (parser) parser.onIncoming = () => UPGRADED;
    this.socket.destroy();
  }

  /** Node resumes for reasons of its own, at the end of each request and later; where it counts as paused, it reads too. */
  private stopReading(): void {
    if (this.socket.isPaused()) this.socket.emit('pause');
    else this.socket.pause();
  }

  private release(): void {
    if (!this.isHeld || this.isEnding) return;
    this.isHeld = false;
    this.socket.resume();
    this.debt = this.owed?.();
    this.owed = undefined;
  }

  private drop(): void {
    clearTimeout(this.debt);
    this.all.count(-this.waiting.length);
    this.waiting.length = 0;
  }
}
