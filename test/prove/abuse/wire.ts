import http from 'node:http';

export interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
}

export interface Received {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Longer than any answer may take. */
const PATIENCE_MS = 60_000;

/** A client that sends what it is told to, however wrong. */
export class Wire {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(readonly port: number) {}

  /** @throws Error when the service answers nothing, twice */
  async send(request: Sent): Promise<Received> {
    try {
      return await this.once(request, this.agent);
    } catch {
      // The service may have closed the connection that was kept, which is its right.
      return this.once(request, false);
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private once({ method, path, headers, body }: Sent, agent: http.Agent | false): Promise<Received> {
    return new Promise((resolve, reject) => {
      const framed = body && !headers['transfer-encoding'] ? { 'content-length': body.length } : {};
      const options = { host: '127.0.0.1', port: this.port, method, path, headers: { ...framed, ...headers }, agent };
      const request = http.request({ ...options, timeout: PATIENCE_MS }, (response) => {
        const chunks: Buffer[] = [];
        const done = (): void =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', done);
        // Cut after the head: what came is judged as it is.
        response.on('error', done);
      });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
      request.on('error', reject);
      request.end(body);
    });
  }
}
