import http from 'node:http';

/** What a request was answered with. */
export interface Answer {
  /** Of HTTP. */
  status: number;
  /** By their names in lower case. */
  headers: http.IncomingHttpHeaders;
  /** The body as text. */
  text: string;
  /** The body as JSON; throws if it is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into bodies of every shape
  json: any;
}

/** What a request is sent with. */
export interface RequestOptions {
  /** `host` among them, where the tenant is named by it. */
  headers?: http.OutgoingHttpHeaders;
  /** Sent as JSON; a string or Buffer is sent as it is. */
  body?: unknown;
}

/**
 * Sends a request to a port of this machine, on a connection of its own.
 *
 * @param path with its query
 * @throws Error when there is no answer
 */
export function sendRequest(port: number, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const raw = typeof options.body === 'string' || Buffer.isBuffer(options.body);
  const payload =
    options.body === undefined ? undefined : raw ? (options.body as string | Buffer) : JSON.stringify(options.body);
  const headers: http.OutgoingHttpHeaders = { ...options.headers };
  if (payload !== undefined) {
    headers['content-type'] ??= 'application/json';
    // For these Node's client sends a body unframed, which no server can read.
    if (method === 'GET' || method === 'DELETE') headers['content-length'] ??= Buffer.byteLength(payload);
  }
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          get json(): unknown {
            return JSON.parse(text) as unknown;
          },
        });
      });
    });
    request.on('error', reject);
    request.end(payload);
  });
}
